from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from functools import cache
from typing import Any

import factories
import pytest

from learngenes import descendant
from learngenes.families import vit
from learngenes.families.architectures import CONFIG_KEY
from learngenes.gene import Manifest, Quality
from learngenes.initialize import Request, initialize
from learngenes.recipe import Recipe

MEASURED = Quality(7, 32, "digits", "test", "top1", 0.5, 100, 0, 1, "learngenes evaluate")
FRAMES: dict[str, dict[str, Any]] = {
    "average": {},
    "class token": {"class_token": True, "pool": "token"},
    "norm after pool": {"norm": "after-pool"},
}


@cache
def made(frame: str = "average", **request: Any) -> tuple[Recipe, Manifest]:
    manifest, _ = factories.learngene(labels=tuple("abcdefghij"), **FRAMES[frame])
    return initialize(manifest, Request(depth=7, **request)), manifest


def config(recipe: Recipe, manifest: Manifest) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(descendant.model_config(recipe, manifest, id="f" * 64))
    return loaded


@pytest.mark.parametrize("frame", FRAMES)
def test_the_configuration_loads_in_timm(frame: str) -> None:
    import timm
    import torch

    recipe, manifest = made(frame, num_classes=3)
    given = config(recipe, manifest)
    with torch.device("meta"):
        model = timm.create_model(
            given["architecture"],
            pretrained_cfg=given["pretrained_cfg"],
            num_classes=given["num_classes"],
            **given["model_args"],
        )
    assert {name: tuple(t.shape) for name, t in model.state_dict().items()} == vit.shapes(recipe.geometry)
    assert (model.num_classes, model.num_features) == (3, given["num_features"])
    assert model.global_pool == given["global_pool"]
    assert timm.data.resolve_model_data_config(model) == {
        "input_size": [3, 8, 8],
        "interpolation": "bicubic",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "crop_pct": 1.0,
        "crop_mode": "center",
    }


def test_timm_knows_every_key_of_the_pretrained_configuration() -> None:
    from timm.models import PretrainedCfg

    assert config(*made())["pretrained_cfg"].keys() <= {field.name for field in fields(PretrainedCfg)}


def test_the_number_of_classes_is_not_among_the_models_arguments() -> None:
    given = config(*made(num_classes=3))
    assert "num_classes" not in given["model_args"]  # transformers' TimmWrapper passes it itself
    assert given["num_classes"] == given["pretrained_cfg"]["num_classes"] == 3


def test_our_own_facts_stand_at_the_root_of_the_configuration() -> None:
    recipe, manifest = made()
    assert config(recipe, manifest)[CONFIG_KEY] == {
        "id": "f" * 64,
        "learngene": "tiny@1",
        "method": "sws",
        "layer_map": [0, 0, 0, 1, 1, 2, 2],
        "params": vit.parameters(recipe.geometry),
    }


def test_labels_are_given_only_with_the_learngenes_own_head() -> None:
    assert config(*made())["pretrained_cfg"]["label_names"] == list("abcdefghij")
    assert config(*made(num_classes=3))["pretrained_cfg"]["label_names"] is None


@pytest.mark.parametrize("classes", [None, 3])
def test_the_report_counts_every_tensor_and_parameter_once(classes: int | None) -> None:
    recipe, manifest = made(num_classes=classes)
    report = descendant.init_report(recipe, manifest)
    counts = [report[kind] for kind in ("copied", "computed", "resized", "fresh")]
    assert sum(count["tensors"] for count in counts) == len(recipe.entries)
    assert sum(count["parameters"] for count in counts) == vit.parameters(recipe.geometry)
    assert report["fresh"]["parameters"] == (0 if classes is None else 3 * 32 + 3)


def test_lineage_says_where_every_tensor_comes_from() -> None:
    rows = {row["tensor"]: row for row in descendant.lineage(made(num_classes=3)[0])}
    assert rows["blocks.6.norm1.bias"] == {"tensor": "blocks.6.norm1.bias", "stored": "stages.2.norm1.bias"}
    assert rows["head.bias"] == {"tensor": "head.bias", "fill": "zeros", "seed": 0}
    assert len(rows) == 7 * 12 + 7


def test_the_document_is_json_and_says_the_size_and_its_cost() -> None:
    recipe, manifest = made(num_classes=3, dtype="bf16")
    document = descendant.document(recipe, replace(manifest, data_license="cc0"))
    assert json.loads(json.dumps(document)) == document
    expected = {
        "learngene": "tiny@1",
        "method": "sws",
        "family": "vit",
        "size": {"depth": 7, "width": 32},
        "dtype": "BF16",
        "keys": "timm",
        "num_classes": 3,
        "params": vit.parameters(recipe.geometry),
        "macs": vit.macs(recipe.geometry),
        "layer_map": [0, 0, 0, 1, 1, 2, 2],
        "license": "apache-2.0",
        "data_license": "cc0",
    }
    assert {name: document[name] for name in expected} == expected


def test_only_measurements_of_this_size_are_shown() -> None:
    recipe, manifest = made()
    others = (replace(MEASURED, depth=8), replace(MEASURED, width=64))
    document = descendant.document(recipe, replace(manifest, quality=(*others, MEASURED)))
    assert document["quality"] == [asdict(MEASURED)]

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import factories
import numpy as np
import pytest

from learngenes import descendant
from learngenes.catalog import starter
from learngenes.errors import InvalidValue
from learngenes.families import transformers
from learngenes.families.mini import MiniGeometry
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.recipe import Recipe
from learngenes.stream import Span, assemble, stream
from learngenes.tensorfile import TensorFile

FRAMES: dict[str, dict[str, Any]] = {
    "ijepa": {},
    "vit": {"class_token": True, "pool": "token"},
    "vit, norm after pool": {"class_token": True, "pool": "token", "norm": "after-pool"},
}


@cache
def made(frame: str, keys: Any = "transformers", **request: Any) -> tuple[Recipe, Manifest, TensorFile]:
    manifest, raw = factories.learngene(labels=tuple("abcdefghij"), **FRAMES[frame])
    return initialize(manifest, Request(depth=4, keys=keys, **request)), manifest, TensorFile(raw)


def whole(recipe: Recipe, tensors: TensorFile) -> TensorFile:
    return TensorFile(b"".join(stream(assemble(recipe, tensors))))


@pytest.mark.parametrize("frame", FRAMES)
def test_transformers_loads_every_tensor_and_says_what_timm_says(frame: str, tmp_path: Path) -> None:
    import safetensors.torch
    import timm
    import torch
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    recipe, manifest, tensors = made(frame)
    folder = {"model.safetensors": b"".join(stream(assemble(recipe, tensors)))}
    for name, raw in (folder | descendant.files(recipe, manifest, id="f" * 64)).items():
        (tmp_path / name).write_bytes(raw)
    native, loaded = AutoModelForImageClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(loaded.values())
    assert type(native).__name__ == json.loads((tmp_path / "config.json").read_bytes())["architectures"][0]
    assert native.config.id2label == dict(enumerate("abcdefghij"))

    theirs, _, _ = made(frame, keys="timm")
    config = json.loads(descendant.model_config(theirs, manifest, id="f" * 64))
    model = timm.create_model(config["architecture"], num_classes=10, **config["model_args"])
    model.load_state_dict(safetensors.torch.load(b"".join(stream(assemble(theirs, tensors)))))
    images = torch.linspace(-1, 1, 2 * 3 * 64).reshape(2, 3, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(native.eval()(images).logits, model.eval()(images), rtol=1e-5, atol=1e-6)

    prepared = AutoImageProcessor.from_pretrained(tmp_path)(np.full((8, 8, 3), 255, np.uint8), return_tensors="np")
    np.testing.assert_allclose(prepared["pixel_values"], np.ones((1, 3, 8, 8)), rtol=1e-6)


@pytest.mark.parametrize("frame", FRAMES)
def test_queries_keys_and_values_are_the_stored_rows_where_they_lie(frame: str) -> None:
    recipe, _, tensors = made(frame)
    file, (theirs, _, _) = assemble(recipe, tensors), made(frame, keys="timm")
    assert all(isinstance(segment, Span) for segment in file.segments[1:])
    got, timm = whole(recipe, tensors), whole(theirs, tensors)
    for tensor in transformers.tensors(recipe.geometry):
        expected = timm.array(tensor.timm)
        if tensor.part is not None:
            expected = np.split(expected, 3)[tensor.part]
        np.testing.assert_array_equal(got.array(tensor.name), expected)


def test_what_is_computed_or_fresh_is_the_same_by_either_name() -> None:
    changed: dict[str, Any] = {"width": 16, "num_classes": 3, "img_size": 16, "seed": 5}
    recipe, _, tensors = made("ijepa", **changed)
    got, timm = whole(recipe, tensors), whole(made("ijepa", keys="timm", **changed)[0], tensors)
    for tensor in transformers.tensors(recipe.geometry):
        expected = timm.array(tensor.timm)
        expected = expected if tensor.part is None else np.split(expected, 3)[tensor.part]
        np.testing.assert_array_equal(got.array(tensor.name), expected)


@pytest.mark.parametrize(
    "frame",
    [{"class_token": True, "pool": "avg"}, {"norm": "after-pool"}],
    ids=["an average beside a class token", "a norm after the average"],
)
def test_a_network_that_transformers_has_no_class_for_is_refused(frame: dict[str, Any]) -> None:
    manifest, _ = factories.learngene(**frame)
    with pytest.raises(InvalidValue, match="leave out keys"):
        initialize(manifest, Request(depth=4, keys="transformers"))


def test_a_network_that_is_no_plain_vit_is_refused() -> None:
    with pytest.raises(InvalidValue, match="no plain ViT"):
        transformers.model_type(MiniGeometry(factories.learngene()[0].geometry))


def test_a_depth_whose_names_have_no_room_in_a_header_is_refused() -> None:
    manifest = starter().get("sws-small-cifar100")
    with pytest.raises(InvalidValue, match=r"512 blocks .* ask for less depth"):
        initialize(manifest, Request(depth=512, keys="transformers"))
    assert initialize(manifest, Request(depth=460, keys="transformers")).geometry.depth == 460


def test_images_are_cropped_as_timm_crops_them() -> None:
    from dataclasses import replace

    recipe, manifest, _ = made("ijepa")
    cropped = replace(manifest, normalization=replace(manifest.normalization, crop_pct=0.8))
    table = json.loads(descendant.files(recipe, cropped, id="f" * 64)["preprocessor_config.json"])
    assert table["size"] == {"shortest_edge": 10}
    assert table["crop_size"] == {"height": 8, "width": 8}

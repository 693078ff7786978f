from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import factories
import numpy as np
import pytest
from cases import checkpoints
from cases.checkpoints import AVERAGED, PLAIN

from learngenes import tensorfile
from learngenes.descendant import files
from learngenes.errors import BadTensorFile, InvalidValue, UnknownName
from learngenes.families.vit import Geometry
from learngenes.importing import exported
from learngenes.importing.checkpoint import Facts, learngene_of
from learngenes.importing.configs import by_timm, by_transformers
from learngenes.importing.sources import Source, open_source
from learngenes.initialize import Request, initialize
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile

FACTS = Facts(name="own")
TIMM: dict[str, Any] = {"architecture": "vit_small_patch16_224", "num_classes": 10, "global_pool": "token"}


def laid(folder: Path, raw: bytes, **tables: Any) -> Path:
    """A folder with model.safetensors and these JSON files beside it."""
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes(raw)
    for name, table in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(table))
    return folder


def same(source: Source, geometry: Geometry, seed: int = 0) -> bool:
    """Whether these are the values of the network, by timm's names."""
    values = checkpoints.values(geometry, seed=seed)
    assert source.file.tensors.keys() == values.keys()
    return all(np.array_equal(source.file.array(name), value) for name, value in values.items())


@pytest.mark.parametrize("keys", ["timm", "transformers"])
@pytest.mark.parametrize("tokens", [True, False], ids=["class token", "average"])
def test_a_descendant_comes_back_bit_for_bit_with_all_that_was_said_of_it(
    tmp_path: Path, keys: Any, tokens: bool
) -> None:
    manifest, raw = factories.learngene(
        class_token=tokens, pool="token" if tokens else "avg", labels=tuple(f"class {i}" for i in range(10))
    )
    manifest = replace(manifest, normalization=replace(manifest.normalization, crop_pct=0.8))
    tensors = TensorFile(raw)

    def built(keys: Any) -> tuple[bytes, dict[str, bytes]]:
        recipe = initialize(manifest, Request(depth=3, keys=keys))
        file = assemble(recipe, tensors)
        return b"".join(stream(file)), files(recipe, manifest, id=file.id)

    weights, small = built(keys)
    for name, content in small.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "model.safetensors").write_bytes(weights)
    source = open_source(str(tmp_path), FACTS)
    made, file = learngene_of(source.file, source.facts)
    assert (made.geometry, made.labels) == (replace(manifest.geometry, depth=3), manifest.labels)
    assert made.normalization == manifest.normalization
    assert bytes(file.view) == built("timm")[0]
    recipe = initialize(made, Request())
    assert b"".join(stream(assemble(recipe, file))) == built("timm")[0]
    assert source.notes == ()


def test_timms_config_says_what_tensors_do_not_show(tmp_path: Path) -> None:
    cfg = {"mean": [0.1, 0.2, 0.3], "std": [1, 2, 3], "interpolation": "bilinear", "crop_pct": 0.95, "license": "mit"}
    config = TIMM | {"global_pool": "avg", "model_args": {"num_heads": 4}, "pretrained_cfg": cfg}
    source = open_source(str(laid(tmp_path, checkpoints.raw(), config=config)), FACTS)
    facts = source.facts
    assert (facts.heads, facts.pool, facts.mean, facts.std) == (4, "avg", (0.1, 0.2, 0.3), (1.0, 2.0, 3.0))
    assert (facts.interpolation, facts.crop_pct, facts.license) == ("bilinear", 0.95, "mit")
    assert same(source, PLAIN)
    assert facts.source == f"model.safetensors, sha256 {checkpoints.sha256(checkpoints.raw())}"
    assert by_timm(TIMM | {"pretrained_cfg": {"interpolation": "random"}}, FACTS).notes == (
        "images were resized by 'random' there; here it is bicubic",
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_args": {"act_layer": "quick_gelu"}}, "gives the network 'act_layer', a plain ViT takes class_token"),
        ({"model_args": {"checkpoint_path": "/etc/passwd"}}, "gives the network 'checkpoint_path'"),
        ({"model_args": []}, None),
        ({"model_args": [1]}, "model_args .*; that is a table"),
        ({"model_args": {"num_heads": "6"}}, "num_heads 6; that is a whole number"),
        ({"global_pool": "map"}, "global_pool 'map'; a plain ViT has 'token' or 'avg'"),
        ({"pretrained_cfg": {"mean": "half"}}, "mean half; that is one number a channel"),
        ({"pretrained_cfg": {"crop_pct": None}}, "crop_pct None; that is a share"),
        ({"pretrained_cfg": {"crop_pct": 3}}, "crop_pct is above 0 and at most 1, got 3"),
        ({"pretrained_cfg": {"label_names": {}}}, "label_names that are no list"),
    ],
)
def test_a_config_that_makes_no_sense_says_which_part(tmp_path: Path, change: dict[str, Any], said: str | None) -> None:
    folder = laid(tmp_path, checkpoints.raw(), config=TIMM | change)
    if said is None:
        open_source(str(folder), FACTS)
        return
    with pytest.raises(InvalidValue, match=said):
        open_source(str(folder), FACTS)


def test_transformers_names_become_timms_and_queries_keys_and_values_one(tmp_path: Path) -> None:
    for geometry in (PLAIN, AVERAGED):
        raw, config = checkpoints.by_transformers(geometry)
        source = open_source(str(laid(tmp_path, raw, config=config)), FACTS)
        assert same(source, geometry)
        assert source.facts.heads == geometry.heads


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hidden_act": "quick_gelu"}, "hidden_act 'quick_gelu'; a plain ViT has 'gelu'"),
        ({"model_type": "swin"}, "model_type 'swin'; of transformers' networks 'vit' and 'ijepa'"),
        ({"hidden_size": 128}, r"has shape \(64,.* in the file, its config.json says \(128,"),
        ({"num_hidden_layers": 4}, "'vit.encoder.layer.3.* is not in the file"),
        ({"num_hidden_layers": 2}, "'vit.encoder.layer.2.* has no place in transformers' plain 'vit' network"),
        ({"num_attention_heads": 0}, "num_attention_heads 0; that is a whole number of at least 1"),
        ({"patch_size": None}, "patch_size None"),
    ],
)
def test_a_file_of_transformers_has_to_be_the_one_its_config_describes(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    raw, config = checkpoints.by_transformers(PLAIN)
    with pytest.raises(InvalidValue, match=said):
        open_source(str(laid(tmp_path, raw, config=config | change)), FACTS)


def test_a_network_without_a_classifier_says_how_to_get_one(tmp_path: Path) -> None:
    _, config = checkpoints.by_transformers(PLAIN)
    raw = b"".join(tensorfile.write({"vit.layernorm.weight": np.ones(64, np.float32)}, "F32"))
    with pytest.raises(InvalidValue, match="AutoModelForImageClassification, a fresh head is enough"):
        open_source(str(laid(tmp_path, raw, config=config)), FACTS)


def test_what_rounds_differently_there_is_noted() -> None:
    said = by_transformers({"model_type": "vit", "layer_norm_eps": 1e-12}, {"resample": 1}, FACTS)
    assert "layer_norm_eps is 1e-12 there and 1e-06 here" in said.notes[0]
    assert "resized by 'other' there" in said.notes[1]


def test_checkpoints_of_our_own_training_are_taken_the_average_first(tmp_path: Path) -> None:
    both = {f"model.{name}": value for name, value in checkpoints.values(PLAIN, seed=1).items()}
    both |= {"step": np.zeros(1, np.float32)}
    file = tmp_path / "ancestor.safetensors"
    file.write_bytes(b"".join(tensorfile.write(both, "F32")))
    assert same(open_source(str(file), FACTS), PLAIN, seed=1)
    both |= {f"ema.{name}": value for name, value in checkpoints.values(PLAIN, seed=2).items()}
    file.write_bytes(b"".join(tensorfile.write(both, "F32")))
    assert same(open_source(f"file:{file}", FACTS), PLAIN, seed=2)


def test_what_can_not_be_opened_is_said_with_the_way_out(tmp_path: Path) -> None:
    pickled = tmp_path / "model.pth"
    pickled.write_bytes(b"\x80\x04")
    with pytest.raises(InvalidValue, match=r"'model.pth' is no .safetensors file: other formats can run code"):
        open_source(str(pickled), FACTS)
    with pytest.raises(InvalidValue, match="there is no file"):
        open_source(str(tmp_path / "none.safetensors"), FACTS)
    disguised = tmp_path / "model.safetensors"
    disguised.write_bytes(b"\x80\x04" * 20)
    with pytest.raises(BadTensorFile, match=r"model.safetensors can't be read"):
        open_source(str(disguised), FACTS)
    disguised.write_bytes(checkpoints.raw())
    for text, said in (("[]", "is no table"), ("{", "is no JSON"), ("[" * 100_000, "is no JSON")):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(InvalidValue, match=f"config.json beside the network {said}"):
            open_source(str(tmp_path), FACTS)


def test_methods_that_take_a_network_store_what_their_learning_would(tmp_path: Path) -> None:
    foreign = TensorFile(checkpoints.shuffled(checkpoints.values(PLAIN)))
    manifest, file = learngene_of(foreign, FACTS, scratch=tmp_path)
    assert (manifest.method, manifest.method_facts, list(tmp_path.iterdir())) == ("selection", {}, [])
    assert bytes(file.view) == checkpoints.raw()
    manifest, file = learngene_of(foreign, replace(FACTS, method="vanilla_lg", options={"blocks": 2}))
    assert manifest.method_facts == {"first": 1}
    frame = {name for name in file.tensors if not name.startswith("blocks.")}
    assert frame == {"head.bias", "head.weight", "norm.bias", "norm.weight"}
    assert {name.split(".")[1] for name in file.tensors if name.startswith("blocks.")} == {"1", "2"}
    with pytest.raises(InvalidValue, match=r"options.blocks is 9 and the ancestor has 3"):
        learngene_of(foreign, replace(FACTS, method="vanilla_lg", options={"blocks": 9}))
    with pytest.raises(UnknownName, match="did you mean 'selection'"):
        learngene_of(foreign, replace(FACTS, method="selektion"))


def test_a_file_of_several_dtypes_is_stored_as_float32_and_one_of_one_as_it_is() -> None:
    half = TensorFile(checkpoints.raw(dtype="BF16"))
    assert learngene_of(half, FACTS)[1] is half
    assert learngene_of(TensorFile(checkpoints.raw(dtype="F16")), FACTS)[0].dtype == "F16"
    values = checkpoints.values(PLAIN)
    mixed = TensorFile(checkpoints.mixed(values))
    manifest, file = learngene_of(mixed, FACTS)
    assert (mixed.tensors["head.bias"].dtype, manifest.dtype) == ("F16", "F32")
    assert np.array_equal(file.array("head.bias"), values["head.bias"].astype(np.float16))
    integers = checkpoints.values(PLAIN) | {"head.bias": np.zeros(10, np.int32)}
    whole = TensorFile(b"".join(tensorfile.write(integers, "F32")))
    with pytest.raises(InvalidValue, match=r"tensor 'head.bias' is I32; weights are F32, F16, BF16"):
        learngene_of(whole, FACTS)


def test_an_exported_folder_is_read_back_whole_or_not_at_all(tmp_path: Path) -> None:
    manifest, raw = factories.learngene()
    paths = exported.write(factories.catalog(None, (manifest, raw)), manifest, tmp_path / "out")
    assert [path.name for path in paths] == ["learngene.safetensors", "README.md", "manifest.json"]
    read, file = exported.read(tmp_path / "out")
    assert (read, bytes(file.view)) == (manifest, raw)
    (tmp_path / "out" / "manifest.json").unlink()
    with pytest.raises(InvalidValue, match=r"holds no manifest.json"):
        exported.read(tmp_path / "out")

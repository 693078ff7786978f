"""Descendants of every family as torch modules, from an architecture or from their own files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from cases import learngenepool, made, minideit

from learngenes.descendant import model_config
from learngenes.errors import BadCheckpoint, InvalidValue, LearngenesError, UnknownName
from learngenes.families.architectures import Architecture, shapes
from learngenes.families.mini import MiniGeometry
from learngenes.families.stitched import StitchedGeometry
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.quality import load
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile
from learngenes.training.loaders import fill, load_model, network

TOKEN = replace(made.TINY, class_token=True, pool="token")
AFTER = replace(made.TINY, norm="after-pool")
HALF = {"width": 16, "heads": 2, "depth": 2}
ARCHITECTURES: dict[str, Architecture] = {
    "vit": made.TINY,
    "mini": MiniGeometry(made.TINY, 3),
    "stitched": StitchedGeometry(replace(made.TINY, **HALF), made.TINY),
    "stitched, class token": StitchedGeometry(replace(TOKEN, **HALF), TOKEN),
    "stitched, norm after pool": StitchedGeometry(replace(AFTER, **HALF), AFTER),
    "stitched, class token, average": StitchedGeometry(
        replace(TOKEN, **HALF, pool="avg"), replace(TOKEN, pool="avg", depth=1)
    ),
}
REQUESTS: dict[str, tuple[Any, Request]] = {
    "vit": (learngenepool.make, Request()),
    "stitched": (learngenepool.make, Request(depth=7, num_classes=3)),
    "mini": (minideit.make, Request()),
}
IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def written(family: str, folder: Path, *, dtype: str = "f32") -> tuple[Manifest, TensorFile, Request]:
    """A descendant's two files, as `learngenes build` writes them."""
    make, request = REQUESTS[family]
    manifest, raw = make()
    request = replace(request, dtype=dtype)
    recipe = initialize(manifest, request)
    file = assemble(recipe, TensorFile(raw))
    (folder / "model.safetensors").write_bytes(b"".join(stream(file)))
    (folder / "config.json").write_bytes(model_config(recipe, manifest, id=file.id))
    return manifest, TensorFile(raw), request


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_a_network_has_the_tensors_that_its_family_says(architecture: Architecture) -> None:
    made_network = network(architecture)
    assert {name: tuple(value.shape) for name, value in made_network.state_dict().items()} == shapes(architecture)
    assert made_network(IMAGES).shape == (2, 10)


@pytest.mark.parametrize("family", REQUESTS)
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_a_descendants_folder_loads_as_the_network_it_was_built_from(tmp_path: Path, family: str, dtype: str) -> None:
    manifest, tensors, request = written(family, tmp_path, dtype=dtype)
    recipe = initialize(manifest, request)
    assert recipe.family == family
    model = load_model(tmp_path)
    assert not model.training and {value.dtype for value in model.state_dict().values()} == {torch.float32}
    config = json.loads((tmp_path / "config.json").read_text())
    again = load_model(config, (tmp_path / "model.safetensors").read_bytes())
    beside = load_model(str(tmp_path / "config.json"))
    with torch.inference_mode():
        logits = model(IMAGES)
        assert torch.equal(logits, again(IMAGES)) and torch.equal(logits, beside(IMAGES))
        torch.testing.assert_close(logits, load(recipe, tensors)(IMAGES))


@pytest.mark.parametrize(
    ("config", "error", "told"),
    [
        ({}, InvalidValue, "names neither an architecture nor a family under 'learngenes'"),
        ({"learngenes": {"family": "minni"}}, UnknownName, "did you mean 'mini'"),
        ({"learngenes": {"family": "mini"}}, InvalidValue, "of family 'mini' and holds no learngenes.geometry"),
        ({"learngenes": {"family": "mini", "geometry": {"repeats": 2}}}, InvalidValue, "geometry needs plain"),
        ({"learngenes": {"family": "stitched", "geometry": {"fornt": {}}}}, UnknownName, "did you mean 'front'"),
    ],
)
def test_a_configuration_that_describes_no_network_is_refused(
    config: dict[str, Any], error: type[LearngenesError], told: str
) -> None:
    with pytest.raises(error, match=told):
        load_model(config, b"")


def test_files_that_are_missing_or_belong_elsewhere_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"config.json can't be read as a configuration"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(InvalidValue, match="holds a list, not a table"):
        load_model(tmp_path)
    written("mini", tmp_path)
    with pytest.raises(InvalidValue, match="needs its weights; say weights"):
        load_model(json.loads((tmp_path / "config.json").read_text()))
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(BadCheckpoint, match="can't be read as safetensors"):
        load_model(tmp_path)
    weights.unlink()
    with pytest.raises(BadCheckpoint, match="can't be read as safetensors"):
        load_model(tmp_path)


def test_weights_of_another_network_name_the_first_tensor_at_fault() -> None:
    small, large = network(replace(made.TINY, **HALF)), network(replace(made.TINY, depth=2))
    raw = safetensors.torch.save(dict(small.state_dict()))
    with pytest.raises(BadCheckpoint, match=r"'blocks.0.attn.proj.bias' is \(16,\) in the file and \(32,\) in the net"):
        fill(large, raw)
    with pytest.raises(BadCheckpoint, match=r"'blocks.0.attn.mix_after' is missing in the file"):
        fill(network(MiniGeometry(made.TINY, 3)), safetensors.torch.save(dict(network(made.TINY).state_dict())))

"""The promises of a method, kept by every one in zoo.METHODS: one line in FACTORIES each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import factories
import numpy as np
import pytest
import safetensors.torch
import timm
import torch

import learngenes
from learngenes.descendant import init_report, lineage, timm_config
from learngenes.errors import UnknownName, UnsupportedSize
from learngenes.families import vit
from learngenes.formulas import compute
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize, method_of
from learngenes.recipe import Fill, Recipe, digest
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile
from learngenes.zoo import METHODS

FACTORIES: dict[str, Callable[..., tuple[Manifest, bytes]]] = {
    "sws": factories.learngene,
}
HERE = Path(learngenes.__file__).parent
DOCS = Path(__file__).parents[2] / "docs" / "methods"


@pytest.fixture(params=FACTORIES)
def method(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only wait for each other on more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def opened(method: str) -> tuple[Manifest, TensorFile]:
    manifest, raw = FACTORIES[method]()
    return manifest, TensorFile(raw)


def some_depths(manifest: Manifest) -> list[int]:
    """Depths from 1 to 32 that the learngene takes: all of them."""
    return [depth for depth in range(1, 33) if depth in manifest.space.depth]


def built(recipe: Recipe, method: str) -> bytes:
    return b"".join(stream(assemble(recipe, opened(method)[1])))


def test_every_method_is_tested_here() -> None:
    assert FACTORIES.keys() == METHODS.keys()


def test_every_folder_is_a_method_of_the_zoo() -> None:
    folders = {path.name for path in (HERE / "methods").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == METHODS.keys()


@pytest.mark.parametrize("name", METHODS)
def test_every_folder_has_the_same_files(name: str) -> None:
    assert {"__init__.py", "options.py", "plan.py"} <= {path.name for path in (HERE / "methods" / name).iterdir()}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_page(name: str) -> None:
    assert (DOCS / f"{name}.md").read_text("utf-8").startswith("# ")


def test_the_factory_makes_a_learngene_of_its_method(method: str) -> None:
    manifest, _ = opened(method)
    assert method_of(manifest) is METHODS[method]
    assert manifest.varies == METHODS[method].varies
    assert manifest.space == METHODS[method].space(manifest.geometry)


def test_every_size_loads_in_timm_and_gives_finite_logits(method: str) -> None:
    manifest, tensors = opened(method)
    assert len(some_depths(manifest)) > 1
    for depth in some_depths(manifest):
        recipe = initialize(manifest, Request(depth=depth))
        file = assemble(recipe, tensors)
        config = json.loads(timm_config(recipe, manifest, id=file.id))
        with torch.device("meta"):
            model = timm.create_model(config["architecture"], num_classes=config["num_classes"], **config["model_args"])
        state = safetensors.torch.load(b"".join(stream(file)))
        model.load_state_dict(state, strict=True, assign=True)
        with torch.inference_mode():
            logits = model(torch.linspace(-1, 1, 2 * 3 * 8 * 8).reshape(2, 3, 8, 8))
        assert logits.shape == (2, 10) and torch.isfinite(logits).all()
        assert len(model.blocks) == depth


def test_every_tensor_is_one_of_the_family_in_name_and_shape(method: str) -> None:
    manifest, _ = opened(method)
    for depth in some_depths(manifest):
        recipe = initialize(manifest, Request(depth=depth, num_classes=5))
        assert recipe.geometry == replace(manifest.geometry, depth=depth, classes=5)
        made = TensorFile(built(recipe, method))
        assert {name: tensor.shape for name, tensor in made.tensors.items()} == vit.shapes(recipe.geometry)


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
def test_every_dtype_is_the_float32_descendant_rounded_once(method: str, dtype: str) -> None:
    manifest, _ = opened(method)
    wide = TensorFile(built(initialize(manifest, Request(depth=7, num_classes=3)), method))
    file = TensorFile(built(initialize(manifest, Request(depth=7, num_classes=3, dtype=dtype)), method))
    rounding = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[dtype]
    for name in wide.tensors:
        expected = torch.from_numpy(wide.array(name).copy()).to(rounding).float().numpy()
        np.testing.assert_array_equal(file.array(name), expected)


@pytest.mark.parametrize(("depth", "width"), [(0, None), (-1, None), (10**9, None), (None, 33), (3, 1), (None, 10**9)])
def test_a_size_off_the_space_is_refused_with_a_nearest_that_works(
    method: str, depth: int | None, width: int | None
) -> None:
    manifest, _ = opened(method)
    with pytest.raises(UnsupportedSize, match=f"learngene '{manifest.reference}' can't be depth") as error:
        initialize(manifest, Request(depth=depth, width=width))
    nearest = error.value.nearest
    made = initialize(manifest, Request(depth=nearest.depth, width=nearest.width))
    assert (made.geometry.depth, made.geometry.width) == (nearest.depth, nearest.width)
    assert error.value.space == manifest.space


def test_both_ends_of_the_space_work(method: str) -> None:
    manifest, _ = opened(method)
    for depth in (manifest.space.depth.first, manifest.space.depth.last):
        recipe = initialize(manifest, Request(depth=depth))
        assert len(recipe.layer_map) == depth


def test_an_unknown_option_names_the_nearest(method: str) -> None:
    manifest, _ = opened(method)
    for option in fields(METHODS[method].options):
        with pytest.raises(UnknownName, match=f"did you mean '{option.name}'"):
            initialize(manifest, Request(options={option.name + "x": 1}))


def test_every_option_has_a_default_and_seed_is_one_of_them(method: str) -> None:
    assert METHODS[method].options().seed == 0


def test_another_number_of_classes_gets_a_fresh_head_and_says_so(method: str) -> None:
    manifest, tensors = opened(method)
    recipe = initialize(manifest, Request(num_classes=7, seed=3))
    sources = {entry.name: entry.source for entry in recipe.entries if isinstance(entry.source, Fill)}
    assert sources.keys() == {"head.weight", "head.bias"}
    made = TensorFile(built(recipe, method))
    for name, source in sources.items():
        np.testing.assert_array_equal(made.array(name), compute(source, made.tensors[name].shape, tensors.array))
    assert made.array("head.weight").any() and not made.array("head.bias").any()
    report = init_report(recipe, manifest)
    assert report["fresh"] == {"tensors": 2, "parameters": 7 * manifest.geometry.width + 7}
    assert report["notes"] == ["head.bias and head.weight are fresh: 7 classes were asked for, the learngene knows 10"]


def test_the_learngenes_own_classes_keep_its_head(method: str) -> None:
    manifest, tensors = opened(method)
    recipe = initialize(manifest, Request(num_classes=manifest.geometry.classes))
    made = TensorFile(built(recipe, method))
    np.testing.assert_array_equal(made.array("head.weight"), tensors.array("head.weight"))
    report = init_report(recipe, manifest)
    assert (report["fresh"], report["notes"]) == ({"tensors": 0, "parameters": 0}, [])


def test_lineage_names_every_tensor_once_and_what_it_comes_from_exists(method: str) -> None:
    manifest, tensors = opened(method)
    recipe = initialize(manifest, Request(depth=9, num_classes=7))
    rows = lineage(recipe)
    assert [row["tensor"] for row in rows] == [entry.name for entry in recipe.entries]
    assert {row["stored"] for row in rows if "stored" in row} <= tensors.tensors.keys()
    assert all(("stored" in row) != ("fill" in row) for row in rows)


def test_the_layer_map_has_one_number_a_block(method: str) -> None:
    manifest, _ = opened(method)
    for depth in some_depths(manifest):
        assert len(initialize(manifest, Request(depth=depth)).layer_map) == depth


def test_the_same_request_has_the_same_digest_and_another_one_has_not(method: str) -> None:
    manifest, _ = opened(method)
    requests = [
        Request(),
        Request(depth=7),
        Request(num_classes=7),
        Request(num_classes=7, seed=1),
        Request(dtype="f16"),
    ]
    digests = [digest(initialize(manifest, request)) for request in requests]
    assert digests == [digest(initialize(manifest, request)) for request in requests]
    assert len(set(digests)) == len(requests)


def test_a_request_for_the_learngenes_own_values_is_the_empty_request(method: str) -> None:
    manifest, _ = opened(method)
    own = manifest.geometry
    asked = initialize(manifest, Request(depth=own.depth, width=own.width, num_classes=own.classes, seed=5))
    assert asked == initialize(manifest, Request())

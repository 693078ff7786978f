from __future__ import annotations

from dataclasses import replace
from typing import Any

import factories
import pytest

from learngenes import formulas, gene
from learngenes.errors import BadManifest, InvalidValue, UnknownName, UnsupportedSize
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize, method_of
from learngenes.recipe import Recipe, derive_seed
from learngenes.sizes import SizeSpace, Steps
from learngenes.sources import Fill, Stored


def tiny() -> Manifest:
    return factories.learngene(stages=(1, 1), width=8, dtype="F16")[0]


def heads(recipe: Recipe) -> list[object]:
    return [entry.source for entry in recipe.entries if entry.name.startswith("head.")]


def test_an_empty_request_is_the_learngenes_own_network_in_float32() -> None:
    recipe = initialize(tiny(), Request())
    assert recipe.geometry == tiny().geometry
    assert (recipe.dtype, recipe.keys, recipe.family) == ("F32", "timm", "vit")
    assert (recipe.learngene, recipe.manifest) == ("tiny@1", tiny().digest)
    assert recipe.formulas == formulas.VERSION
    assert all(isinstance(entry.source, Stored) for entry in recipe.entries)


def test_entries_are_sorted_by_name() -> None:
    names = [entry.name for entry in initialize(tiny(), Request(depth=12)).entries]
    assert names == sorted(names) and len(set(names)) == len(names)


@pytest.mark.parametrize(("asked", "stored"), [("f32", "F32"), ("f16", "F16"), ("bf16", "BF16")])
def test_the_dtype_is_the_one_asked_for(asked: str, stored: str) -> None:
    assert initialize(tiny(), Request(dtype=asked)).dtype == stored


def test_a_fresh_head_draws_its_weight_by_seed_and_starts_its_bias_at_zero() -> None:
    for seed in (0, 9):
        bias, weight = heads(initialize(tiny(), Request(num_classes=3, seed=seed)))
        assert bias == Fill("zeros")
        assert weight == Fill("truncated_normal", derive_seed(seed, "head.weight"))


def test_a_fresh_head_has_the_classes_asked_for() -> None:
    recipe = initialize(tiny(), Request(num_classes=3))
    assert recipe.geometry == replace(tiny().geometry, classes=3)
    shapes = {entry.name: entry.shape for entry in recipe.entries}
    assert (shapes["head.weight"], shapes["head.bias"]) == ((3, 8), (3,))


def test_only_the_head_is_fresh() -> None:
    recipe = initialize(tiny(), Request(depth=7, num_classes=3))
    assert [e.name for e in recipe.entries if isinstance(e.source, Fill)] == ["head.bias", "head.weight"]


def test_the_seed_changes_nothing_where_nothing_is_drawn() -> None:
    assert initialize(tiny(), Request(seed=1)) == initialize(tiny(), Request(seed=2))


REFUSED: dict[str, tuple[type[InvalidValue], dict[str, Any]]] = {
    "unknown dtype 'f31'; did you mean 'f32'": (UnknownName, {"dtype": "f31"}),
    "unknown dtype 'F32'; did you mean|unknown dtype 'F32'; known": (UnknownName, {"dtype": "F32"}),
    "unknown key naming 'tim'; did you mean 'timm'": (UnknownName, {"keys": "tim"}),
    "num_classes is a whole number of 1 to 100000, got 0": (InvalidValue, {"num_classes": 0}),
    "num_classes is a whole number of 1 to 100000, got 100001": (InvalidValue, {"num_classes": 100_001}),
    "unknown pooling 'tokn'; did you mean 'token'": (UnknownName, {"pool": "tokn"}),
    "img_size is a whole number of 1 to 8192, got 8193": (InvalidValue, {"img_size": 8193}),
    "patch_size is a whole number of 1 to 128, got 0": (InvalidValue, {"patch_size": 0}),
    "in_chans is a whole number of 1 to 64, got 1.5": (InvalidValue, {"in_chans": 1.5}),
    "labels names 'a' twice; each class has a name of its own": (InvalidValue, {"labels": ("a", "b", "a")}),
    "labels names 2 classes and num_classes is 3": (InvalidValue, {"labels": ("a", "b"), "num_classes": 3}),
    "depth is a whole number, got '3'": (InvalidValue, {"depth": "3"}),
    r"a seed is a whole number of 0 to 2\*\*64 - 1, got -1": (InvalidValue, {"seed": -1}),
    r"got 18446744073709551616": (InvalidValue, {"seed": 1 << 64}),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_request_that_cannot_be_cannot_exist(sentence: str) -> None:
    error, given = REFUSED[sentence]
    with pytest.raises(error, match=sentence):
        Request(**given)


@pytest.mark.parametrize(
    "request_", [Request(depth=0), Request(depth=513), Request(width=9), Request(depth=10**9), Request(depth=-1)]
)
def test_a_size_off_the_space_is_refused(request_: Request) -> None:
    with pytest.raises(UnsupportedSize, match="depth 1 to 512 and width 4 to 8 in steps of 4; the nearest is"):
        initialize(tiny(), request_)


def test_the_space_is_the_one_the_manifest_states() -> None:
    narrow = replace(tiny(), space=SizeSpace(Steps(2, 4), Steps(8, 8)))
    with pytest.raises(UnsupportedSize, match="it takes depth 2 to 4") as error:
        initialize(narrow, Request(depth=5))
    assert error.value.nearest.depth == 4


def test_the_options_are_those_of_the_method() -> None:
    with pytest.raises(UnknownName, match="unknown key in the options of sws 'strateg'; did you mean 'strategy'"):
        initialize(tiny(), Request(options={"strateg": "random"}))


def test_a_learngene_of_a_method_nobody_knows_is_refused() -> None:
    with pytest.raises(BadManifest, match=r"learngene tiny@1 is of method 'magic'; known: .*sws"):
        method_of(replace(tiny(), method="magic"))


def test_a_learngene_of_another_version_of_its_method_is_refused() -> None:
    with pytest.raises(BadManifest, match="learngene tiny@1 is of sws version 99, this library has version 1"):
        initialize(replace(tiny(), method_version=99), Request())


def test_the_manifest_is_left_as_it_was() -> None:
    manifest = tiny()
    before = gene.to_json(manifest)
    options = {"layers": [0, 1, 1]}
    initialize(manifest, Request(num_classes=3, options=options))
    assert gene.to_json(manifest) == before
    assert options == {"layers": [0, 1, 1]}

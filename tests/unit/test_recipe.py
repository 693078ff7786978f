from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace

import factories
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learngenes import recipe
from learngenes.errors import BadRecipe, UnknownName
from learngenes.initialize import Request, initialize
from learngenes.recipe import Entry, Recipe
from learngenes.sources import Fill, Stored

JUNK = [None, True, -1, 0, 1.5, 1e308, 1 << 70, 10**400, "", "x", "../x", [], [-4], {}, {"stored": 5}, {"fill": "ones"}]


def small() -> Recipe:
    """One block, a fresh head: both kinds of source."""
    manifest, _ = factories.learngene(stages=(1,), width=8)
    return initialize(manifest, Request(num_classes=3))


def test_a_recipe_survives_json() -> None:
    assert recipe.from_json(recipe.to_json(small())) == small()


def test_the_json_is_canonical() -> None:
    raw = recipe.to_json(small())
    assert raw == json.dumps(json.loads(raw), sort_keys=True, separators=(",", ":")).encode()


def test_the_order_of_keys_and_spaces_in_json_do_not_change_the_digest() -> None:
    loose = json.dumps(dict(reversed(json.loads(recipe.to_json(small())).items())), indent=2)
    assert recipe.digest(recipe.from_json(loose.encode())) == recipe.digest(small())


def test_the_digest_is_the_sha256_of_the_json() -> None:
    assert recipe.digest(small()) == hashlib.sha256(recipe.to_json(small())).hexdigest()


def test_every_field_changes_the_digest() -> None:
    base = small()
    first, *others = base.entries
    changed = {
        "learngene": "other@1",
        "manifest": "f" * 64,
        "formulas": 99,
        "geometry": replace(base.geometry, norm_eps=1e-5),
        "dtype": "BF16",
        "keys": "other",
        "layer_map": (7,),
        "labels": ("a", "b", "c"),
        "entries": (replace(first, source=Stored("other")), *others),
    }
    assert changed.keys() == {field.name for field in fields(Recipe)} - {"family"}  # which the geometry decides
    digests = {recipe.digest(replace(base, **{name: value})) for name, value in changed.items()}
    assert len(digests | {recipe.digest(base)}) == len(changed) + 1


@pytest.mark.parametrize("source", [Stored("a"), Stored("b"), Fill("zeros"), Fill("ones"), Fill("zeros", 1)])
def test_every_source_has_a_digest_of_its_own(source: recipe.Source) -> None:
    first, *others = small().entries
    made = replace(small(), entries=(replace(first, source=source), *others))
    assert recipe.from_json(recipe.to_json(made)) == made
    assert recipe.digest(made) != recipe.digest(small())


def test_every_json_one_change_away_is_refused_or_is_a_recipe() -> None:
    accepted = 0
    for document in factories.mutations(json.loads(recipe.to_json(small())), JUNK):
        try:
            made = recipe.from_json(json.dumps(document).encode())
        except BadRecipe:
            continue
        accepted += 1
        layout = recipe.file_layout(made)
        assert recipe.from_json(recipe.to_json(made)) == made, document
        assert layout.tensors.keys() == {entry.name for entry in made.entries}
        assert layout.size >= len(layout.header), document
    assert accepted > 0


@given(st.binary(max_size=20) | st.text(max_size=20).map(str.encode))
def test_bytes_that_are_no_recipe_are_refused(raw: bytes) -> None:
    with pytest.raises(BadRecipe):
        recipe.from_json(raw)


@pytest.mark.parametrize("raw", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5_000, b"NaN", b'{"format":1}'])
def test_json_made_to_hurt_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRecipe):
        recipe.from_json(raw)


@pytest.mark.parametrize("shape", [(-8,), (8.0,), ("8",), (1 << 70,), (8, 1)])
def test_a_shape_that_is_none_is_refused(shape: tuple[int, ...]) -> None:
    document = json.loads(recipe.to_json(small()))
    document["entries"][0][1] = list(shape)
    with pytest.raises(BadRecipe):
        recipe.from_json(json.dumps(document).encode())


@pytest.mark.parametrize(
    "source",
    [
        {"stored": "norm.bias", "times": 2},
        {"fill": "ones", "seed": 0, "std": 1},
        {"fill": "ones"},
        {"stored": 5},
        {"stored": "a", "fill": "ones", "seed": 0},
        {},
        "norm.bias",
    ],
)
def test_a_source_that_says_too_much_or_too_little_is_refused(source: object) -> None:
    document = json.loads(recipe.to_json(small()))
    document["entries"][0][2] = source
    with pytest.raises(BadRecipe, match="no source is written"):
        recipe.from_json(json.dumps(document).encode())


@pytest.mark.parametrize("name", ["../a", "a b", "", "a\0", 5, "blocks.1.norm1.bias"])
def test_a_tensor_name_that_is_none_of_the_network_is_refused(name: object) -> None:
    document = json.loads(recipe.to_json(small()))
    document["entries"][-1][0] = name
    document["entries"].sort(key=lambda entry: str(entry[0]))
    with pytest.raises(BadRecipe):
        recipe.from_json(json.dumps(document).encode())


def test_entries_are_sorted_and_named_once() -> None:
    base = small()
    with pytest.raises(BadRecipe, match="sorted by name, each name once"):
        replace(base, entries=base.entries[::-1])
    with pytest.raises(BadRecipe, match="sorted by name, each name once"):
        replace(base, entries=(base.entries[0], *base.entries))


def test_the_layer_map_has_one_number_a_block() -> None:
    with pytest.raises(BadRecipe, match="the layer map has 2 blocks, the network 1"):
        replace(small(), layer_map=(0, 0))


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'F32'"):
        replace(small(), dtype="F31")


@pytest.mark.parametrize("seed", [-1, 1 << 64, 1.5, True, None])
def test_a_seed_is_a_whole_number_of_64_bits(seed: object) -> None:
    with pytest.raises(BadRecipe, match="a seed is a whole number of 0 to 2"):
        Fill("ones", seed)  # type: ignore[arg-type]


def test_an_unknown_fill_is_refused() -> None:
    with pytest.raises(BadRecipe, match="'normal' is none of zeros, ones, truncated_normal"):
        Fill("normal")  # type: ignore[arg-type]


@given(st.integers(0, (1 << 64) - 1), st.lists(st.text(max_size=5), min_size=2, max_size=6, unique=True))
def test_no_two_tensors_share_a_seed(seed: int, names: list[str]) -> None:
    seeds = [recipe.derive_seed(seed, name) for name in names]
    assert len(set(seeds)) == len(names)
    assert [Fill("truncated_normal", drawn).seed for drawn in seeds] == seeds


def test_the_layout_lists_every_entry_at_the_recipes_dtype() -> None:
    made = replace(small(), dtype="BF16")
    layout = recipe.file_layout(made)
    assert [(name, tensor.dtype, tensor.shape) for name, tensor in layout.tensors.items()] == [
        (entry.name, "BF16", entry.shape) for entry in made.entries
    ]


def test_entries_are_values() -> None:
    assert Entry("a", (1,), Fill("ones")) == Entry("a", (1,), Fill("ones"))

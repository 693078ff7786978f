"""Weight selection, read off descendants of a learngene whose values are their own positions; M1 to M6 by number."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from cases import made, selection
from cases.coded import Picked, axes, coded, picked

from learngenes import gene
from learngenes.errors import InvalidValue, UnsupportedSize
from learngenes.families import vit
from learngenes.formulas import positions
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.report import init_report
from learngenes.sources import Evenly, Fill, Stored
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile

TOKEN = replace(made.TINY, class_token=True, pool="token")
WIDTHS = (8, 16, 24)
CONSISTENT: list[dict[str, Any]] = [
    {"select": "uniform"},
    {"select": "uniform", "heads": "whole"},
    {"select": "uniform", "heads": "within"},
    {"select": "consecutive"},
    {"select": "random", "seed": 3},
    {"select": "random", "seed": 3, "heads": "whole"},
    {"select": "random", "seed": 3, "heads": "within"},
]


@cache
def parent() -> tuple[Manifest, TensorFile]:
    return coded(*selection.make(geometry=TOKEN))


def chosen(width: int, **options: Any) -> dict[str, Picked]:
    return picked(*parent(), width=width, options=options)


def built(learngene: tuple[Manifest, TensorFile], **request: Any) -> TensorFile:
    manifest, tensors = learngene
    return TensorFile(b"".join(stream(assemble(initialize(manifest, Request(**request)), tensors))))


def lists(found: dict[str, Picked], kind: str, prefix: str = "") -> list[list[int]]:
    """The index lists of this kind of axis in all tensors whose names start so."""
    return [what.lists[kind] for name, what in found.items() if name.startswith(prefix) and kind in what.lists]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("options", CONSISTENT, ids=str)
def test_m1_every_element_is_the_parents_at_one_index_per_axis(width: int, options: dict[str, Any]) -> None:
    for name, what in chosen(width, **options).items():
        assert what.source == name
        for kind in axes(name):
            assert what.lists[kind] == sorted(set(what.lists[kind]))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("options", CONSISTENT, ids=str)
def test_m2_a_space_has_one_index_list_in_every_tensor(width: int, options: dict[str, Any]) -> None:
    found = chosen(width, **options)
    residual = lists(found, "res")
    assert len(residual) == 7 + 10 * TOKEN.depth
    assert all(indices == residual[0] for indices in residual)
    for block in range(TOKEN.depth):
        attention = lists(found, "att", f"blocks.{block}.")
        hidden = lists(found, "hid", f"blocks.{block}.")
        assert (len(attention), len(hidden)) == (3, 3)
        assert attention.count(attention[0]) == 3 and hidden.count(hidden[0]) == 3


def test_m2_does_not_hold_without_consistency() -> None:
    found = chosen(16, select="inconsistent", heads="whole")
    residual = lists(found, "res")
    assert len({tuple(indices) for indices in residual}) > len(residual) // 2


def test_uniform_rows_are_spread_over_the_whole_axis() -> None:
    assert lists(chosen(16), "res")[0] == list(range(0, 32, 2))
    spread = lists(chosen(24), "res")[0]
    assert (spread[0], spread[-1], len(spread)) == (0, 31, 24)
    assert {b - a for a, b in pairwise(spread)} == {1, 2}
    assert lists(chosen(24, select="consecutive"), "res")[0] == list(range(24))


def test_heads_are_blended_kept_whole_or_thinned_out() -> None:
    assert lists(chosen(16), "att")[0] == list(range(0, 32, 2))
    assert lists(chosen(16, heads="whole"), "att")[0] == [*range(8), *range(16, 24)]
    assert lists(chosen(16, heads="within"), "att")[0] == list(range(0, 32, 2))
    assert lists(chosen(24, heads="whole"), "att")[0] == [*range(8), *range(16, 32)]
    within = initialize(parent()[0], Request(width=16, options={"heads": "within"})).geometry
    blend = initialize(parent()[0], Request(width=16)).geometry
    assert (within.heads, blend.heads) == (4, 2)


@pytest.mark.parametrize(
    "options", [{}, {"heads": "whole"}, {"heads": "published"}, {"select": "consecutive"}], ids=str
)
def test_m3_the_ancestors_own_size_is_the_ancestor(options: dict[str, Any]) -> None:
    manifest, tensors = parent()
    recipe = initialize(manifest, Request(options=options))
    assert all(entry.source == Stored(entry.name) for entry in recipe.entries)
    assert recipe.geometry == manifest.geometry
    assert {entry.name for entry in recipe.entries} == set(tensors.tensors)


@pytest.mark.parametrize("heads", ["blend", "whole", "published"])
def test_m4_selections_compose_where_widths_divide(heads: str) -> None:
    once = built(parent(), width=8, options={"heads": heads})
    half = built(parent(), width=16, options={"heads": heads})
    narrow = replace(TOKEN, width=16, heads=2)
    manifest, _ = selection.make(geometry=narrow)
    twice = built((replace(manifest, weights=gene.weigh(half)), half), width=8, options={"heads": heads})
    assert twice.view == once.view


@pytest.mark.parametrize("width", [16, 32])
def test_m5_fewer_layers_are_the_first_ones(width: int) -> None:
    manifest, _ = parent()
    whole, short = built(parent(), width=width), built(parent(), width=width, depth=4)
    recipe = initialize(manifest, Request(width=width, depth=4))
    assert recipe.layer_map == (0, 1, 2, 3)
    assert all(short.raw(name) == whole.raw(name) for name in short.tensors)


@pytest.mark.parametrize("depth", [1, 3, 6, 8])
def test_m6_at_the_ancestors_width_nothing_but_the_depth_changes(depth: int) -> None:
    manifest, _ = parent()
    recipe = initialize(manifest, Request(depth=depth))
    report = init_report(recipe, manifest)
    silent = 4 * max(0, depth - TOKEN.depth)
    assert report["computed"]["tensors"] == report["resized"]["tensors"] == 0
    assert report["fresh"]["tensors"] == silent
    assert report["copied"]["tensors"] == 8 + 12 * depth - silent
    assert replace(recipe.geometry, depth=TOKEN.depth) == TOKEN


KEPT = {
    "first": (0, 1, 2),
    "uniform": (0, 2, 5),
    "middle-drop": (0, 1, 5),
}


@pytest.mark.parametrize("keep", KEPT)
def test_which_layers_stay(keep: str) -> None:
    assert initialize(parent()[0], Request(depth=3, options={"keep": keep})).layer_map == KEPT[keep]


GROWN = {
    "zero": (0, 1, 2, 2, 3, 3, 4, 5),
    "duplicate": (0, 1, 2, 2, 3, 3, 4, 5),
    "stack": (0, 1, 2, 3, 4, 5, 0, 1),
}


@pytest.mark.parametrize("grow", GROWN)
def test_depths_above_the_ancestors(grow: str) -> None:
    recipe = initialize(parent()[0], Request(depth=8, width=16, options={"grow": grow}))
    assert recipe.layer_map == GROWN[grow]
    fills = [entry.name for entry in recipe.entries if isinstance(entry.source, Fill)]
    assert fills == [
        f"blocks.{block}.{layer}.{part}"
        for block in ((3, 5) if grow == "zero" else ())
        for layer in ("attn.proj", "mlp.fc2")
        for part in ("bias", "weight")
    ]


def flat_rule(stored: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """The published rule, stated again: along every axis alike, in torch's float32."""
    for axis, (length, count) in enumerate(zip(stored.shape, shape, strict=True)):
        if length % count == 0:
            index = torch.arange(count) * (length // count)
        else:
            index = torch.linspace(0, length - 1, count).round().long()
        stored = stored.index_select(axis, index)
    return stored


@pytest.mark.parametrize("width", WIDTHS)
def test_the_published_mode_is_the_authors_rule_bit_for_bit(width: int) -> None:
    _, tensors = parent()
    descendant = built(parent(), width=width, depth=4, options={"heads": "published"})
    for name, tensor in descendant.tensors.items():
        expected = flat_rule(torch.tensor(tensors.array(name)), tensor.shape)
        np.testing.assert_array_equal(descendant.array(name), expected.numpy())


@pytest.mark.parametrize(
    ("before", "after"), [(768, 448), (768, 576), (1024, 768), (384, 320), (384, 192), (1280, 1024), (1024, 384)]
)
def test_published_indices_at_the_sizes_of_real_networks(before: int, after: int) -> None:
    _, tensors = parent()
    for factor in (1, 3, 4):
        index = positions(Evenly(factor * after, float32=True), factor * before, tensors)
        assert index.tolist() == flat_rule(torch.arange(factor * before), (factor * after,)).tolist()


@pytest.mark.parametrize("width", [8, 16])
def test_where_widths_divide_our_default_is_the_published_rule(width: int) -> None:
    assert built(parent(), width=width).view == built(parent(), width=width, options={"heads": "published"}).view


MISALIGNED = {
    (768, 448): 108, (768, 576): 96, (1024, 768): 128, (384, 320): 32,
    (384, 256): 0, (768, 512): 0, (768, 384): 0,
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), MISALIGNED)
def test_the_published_rule_misaligns_query_and_key_where_widths_do_not_divide(before: int, after: int) -> None:
    _, tensors = parent()
    flat = positions(Evenly(3 * after, float32=True), 3 * before, tensors)
    query, key, _ = flat.reshape(3, after) - np.arange(3)[:, None] * before
    assert (query != key).sum() == MISALIGNED[before, after]


def test_the_published_rule_misaligns_a_small_network_too_and_our_default_does_not() -> None:
    _, tensors = parent()
    ours = chosen(24)["blocks.0.attn.qkv.weight"].lists
    theirs = built(parent(), width=24, options={"heads": "published"}).array("blocks.0.attn.qkv.bias")
    rows = (theirs - tensors.array("blocks.0.attn.qkv.bias")[0]).reshape(3, 24) - 32 * np.arange(3)[:, None]
    assert ours["part"] == [0, 1, 2]
    assert not np.array_equal(rows[0], rows[1])


def test_the_head_is_kept_unless_a_fresh_one_is_asked_for() -> None:
    manifest, _ = parent()
    kept = initialize(manifest, Request(width=16))
    assert not [entry for entry in kept.entries if isinstance(entry.source, Fill)]
    fresh = initialize(manifest, Request(width=16, seed=4, options={"head": "fresh"}))
    fills = {entry.name: entry.source for entry in fresh.entries if isinstance(entry.source, Fill)}
    assert fills.keys() == {"head.weight", "head.bias"}
    assert fills["head.bias"] == Fill("zeros")
    assert fills != {
        entry.name: entry.source
        for entry in initialize(manifest, Request(width=16, seed=5, options={"head": "fresh"})).entries
        if entry.name in fills
    }
    assert init_report(fresh, manifest)["notes"] == ["2 tensors are fresh: head.bias, head.weight"]


@pytest.mark.parametrize("width", [40, 20, 4, 64])
def test_a_width_above_the_ancestors_or_off_its_heads_is_refused_with_both_values(width: int) -> None:
    with pytest.raises(
        UnsupportedSize, match=f"width {width}: it takes depth 1 to 512 and width 8 to 32 in steps of 8"
    ):
        initialize(parent()[0], Request(width=width))


REFUSED = {
    "learngene tiny@1 holds no importance scores 'rankings": {"select": "importance", "heads": "whole"},
    "importance ranks whole heads: heads 'blend' can't be chosen by it": {"select": "importance"},
    "heads 'published' knows uniform and consecutive, got 'random'": {"select": "random", "heads": "published"},
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_options_that_cannot_be_are_refused_in_a_sentence(sentence: str) -> None:
    with pytest.raises(InvalidValue, match=sentence):
        initialize(parent()[0], Request(width=16, options=REFUSED[sentence]))


def test_within_needs_a_width_that_the_heads_divide() -> None:
    geometry = vit.Geometry(depth=1, width=30, heads=5, patch=4, image=8, classes=10)
    manifest, _ = selection.make(geometry=geometry)
    with pytest.raises(InvalidValue, match="heads 'within' keeps 5 heads, and width 24 does not divide into them"):
        initialize(manifest, Request(width=24, options={"heads": "within"}))

"""Another width: one index list per space, against numpy indexing. Invariants M1-M4, S4-S6 of methods.md."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest
from cases import made
from hypothesis import given
from hypothesis import strategies as st

from learngenes.errors import InvalidValue, UnsupportedSize
from learngenes.families import vit
from learngenes.families.vit import Geometry, spaces
from learngenes.formulas import compute, positions
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.planning.blocks import stored
from learngenes.planning.width import Heads, Narrowing, Select, WidthOptions, narrowed, widths
from learngenes.sources import Evenly, Listed, Pick, Stored, rankings
from learngenes.tensorfile import TensorFile

PARENT = made.TINY
HEADS: tuple[Heads, ...] = get_args(Heads)
MODES = [
    (select, heads)
    for select in get_args(Select)
    for heads in HEADS
    if not (select == "importance" and heads != "whole")
    and not (heads == "published" and select not in ("uniform", "consecutive"))
]


@cache
def learngene() -> tuple[Manifest, TensorFile]:
    """Six layers, each its own stage, with all scores: a parent network."""
    manifest, raw = made.staged(PARENT, stages=(1,) * 6, scores=True)
    return manifest, TensorFile(raw)


def narrowing(width: int, **options: Any) -> Narrowing:
    chosen = WidthOptions(**options)
    return Narrowing(learngene()[0], PARENT, narrowed(PARENT, width, chosen), chosen)


def narrow(width: int, name: str, *, layer: int = 0, **options: Any) -> tuple[Any, np.ndarray[Any, Any]]:
    """The source of a tensor of a layer at another width, and its values."""
    to = narrowing(width, **options)
    where = f"stages.{layer}"
    source = to.apply(stored(where), where=where, rankings=f"rankings.{where}")(name)
    return source, compute(source, vit.block_shapes(to.child)[name], learngene()[1])


def lists(source: Any) -> list[list[int]]:
    """The indices along every axis that a pick indexes."""
    return [list(positions(i, n, learngene()[1])) for i, n in zip(source.axes, source.view, strict=True)]


@pytest.mark.parametrize("scale", ["none", "fan_in"])
@pytest.mark.parametrize(("select", "heads"), MODES)
def test_every_element_is_the_parents_at_the_recorded_indices_times_the_recorded_factor(
    select: Select, heads: Heads, scale: Any
) -> None:
    """M1 and S4."""
    for name in vit.BLOCK_TENSORS:
        source, values = narrow(16, name, layer=2, select=select, heads=heads, scale=scale, seed=3)
        whole = learngene()[1].array(f"stages.2.{name}").reshape(source.view)
        expected = whole[np.ix_(*lists(source))] * np.float32(source.factor)
        np.testing.assert_array_equal(values.ravel(), expected.ravel())


@pytest.mark.parametrize(("select", "heads"), [mode for mode in MODES if "inconsistent" not in mode])
@pytest.mark.parametrize("width", [8, 16, 24])
def test_a_space_has_one_index_list_in_every_tensor_that_runs_over_it(width: int, select: Select, heads: Heads) -> None:
    """M2 and S5: the residual stream's is one for the whole network, the others a block's own."""
    to = narrowing(width, select=select, heads=heads)
    residual = set[tuple[int, ...]]()
    for layer in range(3):
        where = f"stages.{layer}"
        own: dict[str, set[tuple[int, ...]]] = {}
        tensors = to.apply(stored(where), where=where, rankings=f"rankings.{where}")
        for name in vit.BLOCK_TENSORS:
            if heads == "published" and name.startswith("attn.qkv"):
                continue  # the flat axis of query, key and value is its own
            source: Any = tensors(name)
            axes = spaces(PARENT)[name]
            joined = heads in ("blend", "published")
            names = [space for space, _ in axes if not (joined and space == "dim")]
            for space, chosen in zip(names, lists(source), strict=True):
                own.setdefault(space, set()).add(tuple(chosen))
        assert all(len(found) == 1 for found in own.values()), own
        residual |= own["res"]
    frame = to.apply(stored(), where="frame")
    for name in vit.frame_shapes(PARENT):
        source = frame(name)
        if isinstance(source, Pick):
            at = [space for space, _ in spaces(PARENT)[name]].index("res")
            residual.add(tuple(lists(source)[at]))
    assert len(residual) == 1


def test_seven_tensors_of_the_frame_and_ten_of_a_block_carry_the_residual_axis() -> None:
    """The 7 + 10 L of S5, with a class token."""
    deep = replace(PARENT, class_token=True)
    block = sum(any(space == "res" for space, _ in spaces(deep)[name]) for name in vit.BLOCK_TENSORS)
    frame = sum(any(space == "res" for space, _ in spaces(deep)[name]) for name in vit.frame_shapes(deep))
    assert (frame, block) == (7, 10)


def test_inconsistent_selection_draws_anew_for_every_tensor() -> None:
    drawn = {tuple(lists(narrow(16, name, select="inconsistent")[0])[-1]) for name in ("norm1.weight", "norm2.weight")}
    assert len(drawn) == 2


def test_random_selection_is_drawn_by_seed_and_by_block() -> None:
    def hidden(layer: int, seed: int) -> Any:
        return lists(narrow(16, "mlp.fc1.bias", layer=layer, select="random", seed=seed)[0])

    assert hidden(0, 1) == hidden(0, 1)
    assert hidden(0, 1) != hidden(1, 1) and hidden(0, 1) != hidden(0, 2)


@pytest.mark.parametrize(("select", "heads"), MODES)
def test_the_own_width_is_what_is_stored(select: Select, heads: Heads) -> None:
    """M3."""
    assert narrow(32, "attn.qkv.weight", select=select, heads=heads, scale="fan_in")[0] == Stored(
        "stages.0.attn.qkv.weight"
    )


def test_even_selection_composes_where_all_divides() -> None:
    """M4: 768 to 384 to 192 is 768 to 192, in every space."""
    big = Geometry(depth=1, width=768, heads=12, patch=16, image=32, classes=2)
    half, quarter = (replace(big, width=768 // n, heads=12 // n) for n in (2, 4))
    for name in vit.block_shapes(big):
        for (space, n), (_, m), (_, k) in zip(*(spaces(g)[name] for g in (big, half, quarter)), strict=True):
            twice = positions(Evenly(m), n, learngene()[1])[positions(Evenly(k), m, learngene()[1])]
            assert np.array_equal(twice, positions(Evenly(k), n, learngene()[1])), space


@given(st.sampled_from([8, 16, 24]), st.sampled_from([8, 16, 24]))
def test_kept_sets_of_importance_are_nested(one: int, two: int) -> None:
    """S6."""
    few, many = sorted((one, two))
    for name in ("attn.qkv.weight", "mlp.fc2.weight"):
        small, large = (lists(narrow(width, name, select="importance")[0]) for width in (few, many))
        assert all(set(a) <= set(b) for a, b in zip(small, large, strict=True))


def test_factors_of_two_steps_multiply_to_that_of_one() -> None:
    """S6, the scales."""
    parent = replace(PARENT, width=64, heads=8)
    options = WidthOptions(scale="fan_in")
    for name in vit.BLOCK_TENSORS:
        sizes = [(parent, narrowed(parent, to, options)) for to in (32, 16)]
        sizes.append((narrowed(parent, 32, options), narrowed(parent, 16, options)))
        once, twice, again = (Narrowing(learngene()[0], a, b, options)._factor(name) for a, b in sizes)
        assert once * again == pytest.approx(twice, rel=1e-15)


@pytest.mark.parametrize("heads", ["whole", "within", "blend"])
def test_linear_layers_are_scaled_by_the_root_of_their_inputs_ratio(heads: Heads) -> None:
    linear = {name for name in vit.BLOCK_TENSORS if name.endswith("weight") and not name.startswith("norm")}
    for name in vit.BLOCK_TENSORS:
        source = narrow(8, name, heads=heads, scale="fan_in")[0]
        assert source.factor == (math.sqrt(32 / 8) if name in linear else 1.0)
    frame = narrowing(8, heads=heads, scale="fan_in").apply(stored(), where="frame")
    factors = {name: getattr(frame(name), "factor", 1.0) for name in vit.frame_shapes(PARENT)}
    assert {name for name, factor in factors.items() if factor != 1.0} == {"head.weight"}
    assert factors["head.weight"] == 2.0


def test_widths_are_whole_heads_up_to_the_parents() -> None:
    manifest, _ = learngene()
    assert list(range(8, 33, 8)) == [w for w in range(100) if w in widths(PARENT)]
    for width in (12, 33, 40, 0):
        with pytest.raises(UnsupportedSize, match=f"width {width}: it takes depth 1 to 512 and width 8 to 32 in steps"):
            initialize(manifest, Request(width=width))


def test_a_wider_network_cannot_be_picked() -> None:
    with pytest.raises(InvalidValue, match=r"has width 32 and 4 heads; 64 and 8 can't be picked from it: the parent"):
        narrowing(64)


def test_keeping_every_head_needs_a_width_that_divides_into_them() -> None:
    assert narrowed(replace(PARENT, heads=4), 24, WidthOptions(heads="within")).heads == 4
    three = replace(PARENT, width=48, heads=3)
    with pytest.raises(InvalidValue, match="heads 'within' keeps 3 heads, and width 32 does not divide into them; say"):
        narrowed(three, 32, WidthOptions(heads="within"))


REFUSED: dict[str, dict[str, Any]] = {
    "importance ranks whole heads: heads 'blend' can't": {"select": "importance", "heads": "blend"},
    "importance ranks whole heads: heads 'published'": {"select": "importance", "heads": "published"},
    "heads 'published' knows uniform and consecutive, got 'random'": {"select": "random", "heads": "published"},
    r"a seed is a whole number of 0 to 2\*\*64 - 1, got -1": {"seed": -1},
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_options_that_contradict_each_other_are_refused(sentence: str) -> None:
    with pytest.raises(InvalidValue, match=sentence):
        WidthOptions(**REFUSED[sentence])


def test_importance_within_heads_is_refused() -> None:
    with pytest.raises(InvalidValue, match="importance ranks whole heads: heads 'within' needs another selection"):
        narrow(16, "attn.qkv.weight", select="importance", heads="within")


def test_importance_reads_the_scores_of_its_own_block() -> None:
    source = narrow(16, "attn.proj.weight", layer=4, select="importance")[0]
    assert dict(rankings(source, (16, 16))) == {"rankings.res": 32, "rankings.stages.4.heads": 4}


def test_a_recipe_lists_no_indices() -> None:
    for select, heads in MODES:
        recipe = initialize(learngene()[0], Request(width=16, options={"select": select, "heads": heads}))
        picks = [entry.source for entry in recipe.entries if isinstance(entry.source, Pick)]
        assert picks and not any(isinstance(index, Listed) for pick in picks for index in pick.axes)

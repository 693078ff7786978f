"""The published element rule (heads = "published") misaligns query, key and value; ours does not. methods.md 5.2."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import made

from learngenes.families.vit import Geometry
from learngenes.formulas import positions
from learngenes.planning.blocks import stored
from learngenes.planning.width import Heads, Narrowing, WidthOptions, narrowed
from learngenes.tensorfile import TensorFile

DRIFT = {
    (768, 448): 108,
    (768, 576): 96,
    (1024, 768): 128,
    (384, 320): 32,
    (384, 256): 0,
    (768, 512): 0,
    (768, 384): 0,
    (768, 192): 0,
}
"""Columns of (widths before and after) at which query and key are picked from different places."""
NOTHING = TensorFile(b"\x02\0\0\0\0\0\0\0{}")


def rows(before: int, after: int, heads: Heads) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Where in a parent's joined heads each row of a child's query, key and value comes from, and proj's columns."""
    parent = Geometry(depth=1, width=before, heads=before // 64, patch=16, image=32, classes=2)
    options = WidthOptions(heads=heads)
    narrowing = Narrowing(made.learngene("sws", {})[0], parent, narrowed(parent, after, options), options)
    tensors = narrowing.apply(stored(), where="x")
    made_of = []
    for name in ("attn.qkv.bias", "attn.proj.weight"):
        source: Any = tensors(name)
        flat = np.arange(np.prod(source.view)).reshape(source.view)
        chosen = [positions(i, n, NOTHING) for i, n in zip(source.axes, source.view, strict=True)]
        made_of.append(flat[np.ix_(*chosen)])
    qkv, proj = made_of
    return qkv.reshape(3, after) - np.arange(3)[:, None] * before, proj.reshape(after, after)[0] % before


@pytest.mark.parametrize(("before", "after"), DRIFT)
def test_the_published_rule_drifts_where_the_widths_do_not_divide(before: int, after: int) -> None:
    (query, key, value), proj = rows(before, after, "published")
    assert (np.sum(query != key), np.sum(value != proj)) == (DRIFT[before, after], DRIFT[before, after])


@pytest.mark.parametrize("heads", ["whole", "within", "blend"])
@pytest.mark.parametrize(("before", "after"), DRIFT)
def test_one_list_a_space_keeps_query_key_value_and_projection_together(before: int, after: int, heads: Heads) -> None:
    if heads == "within" and after % (before // 64):
        return
    (query, key, value), proj = rows(before, after, heads)
    assert query.tolist() == key.tolist() == value.tolist() == proj.tolist()


@pytest.mark.parametrize(("before", "after"), [widths for widths, drift in DRIFT.items() if not widths[0] % widths[1]])
def test_blending_is_the_published_rule_where_the_widths_divide(before: int, after: int) -> None:
    for ours, theirs in zip(rows(before, after, "blend"), rows(before, after, "published"), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("before", "after"), [(768, 384), (384, 192)])
def test_every_blended_head_is_of_two_heads_and_every_whole_head_of_one(before: int, after: int) -> None:
    cases: tuple[tuple[Heads, int], ...] = (("blend", 2), ("whole", 1), ("within", 1))
    for heads, parents in cases:
        query = rows(before, after, heads)[0][0]
        dim = after // (before // 64) if heads == "within" else 64
        assert {len(set(head // 64)) for head in query.reshape(-1, dim)} == {parents}

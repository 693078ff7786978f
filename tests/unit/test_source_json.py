"""Sources as JSON: the same again, and nothing but BadRecipe for what is none."""

from __future__ import annotations

import json
from typing import Any

import factories
import pytest
from cases.drawn_sources import shapes, sources
from hypothesis import given
from hypothesis import strategies as st

from learngenes.errors import BadRecipe
from learngenes.recipe import Entry
from learngenes.source_json import from_table, to_table
from learngenes.sources import (
    MAX_NESTING,
    Affine,
    All,
    Drawn,
    Evenly,
    Fill,
    First,
    Joined,
    KronSum,
    Last,
    Listed,
    Pick,
    Resized,
    Stored,
    Top,
    check,
)

JUNK: list[Any] = [None, True, -1, 0, 1.5, 1e308, 1 << 70, "", "all", [], [-4], [[]], {}, {"stored": 5}, {"first": 1}]
EVERY_RULE = (All(), First(1), Last(1), Evenly(1), Evenly(1, float32=True), Drawn(1, 5), Top("r", 1), Listed((0,)))
EVERYTHING = Joined(
    (
        Affine(Pick(Stored("a"), (2,) * 8, EVERY_RULE, 0.5), Fill("ones"), -1.5),
        Resized(KronSum(Stored("s"), Stored("t"), 2, (1, 2), (2, 1)), (2, 2), (0, 1), (1, 2), "patch"),
    ),
    ((2,), (2,)),
    0,
)


def again(table: Any) -> Any:
    return json.loads(json.dumps(table))


@given(shapes.flatmap(sources))
def test_a_source_survives_json(source: Any) -> None:
    table = again(to_table(source))
    assert from_table(table) == source
    assert again(to_table(from_table(table))) == table


def test_every_json_one_change_away_is_refused_or_is_a_source() -> None:
    check(EVERYTHING, (4,))
    tables = list(factories.mutations(again(to_table(EVERYTHING)), JUNK))
    assert len(tables) > 500
    for table in tables:
        try:
            source = from_table(table)
        except BadRecipe:
            continue
        assert again(to_table(source)) == table or source == EVERYTHING, table
        try:
            Entry("x", (4,), source)
        except BadRecipe:
            continue


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["pick", "stored"]), inner),
        max_leaves=8,
    )
)
def test_json_that_is_no_source_is_refused(table: Any) -> None:
    try:
        assert isinstance(from_table(table), Stored)
    except BadRecipe:
        assert table != {"stored": "a"}


@pytest.mark.parametrize("depth", [MAX_NESTING + 1, 900])
def test_a_table_nested_too_deep_is_refused(depth: int) -> None:
    table: Any = {"stored": "a"}
    for _ in range(depth):
        table = {"base": table, "slope": {"stored": "b"}, "at": 0.5}
    with pytest.raises(BadRecipe, match=f"sources nest deeper than {MAX_NESTING}"):
        from_table(table)


@pytest.mark.parametrize("factor", [0.1, 2**0.5, 1e-300, 1 / 3, -0.0])
def test_numbers_are_written_exactly(factor: float) -> None:
    source = Pick(Stored("a"), (2,), (All(),), factor)
    read = from_table(again(to_table(source)))
    assert isinstance(read, Pick) and read.factor.hex() == factor.hex()

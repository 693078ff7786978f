"""The index rules of a pick: exact, ascending, and the ones torch would give where that is promised."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from learngenes.formulas import positions
from learngenes.sources import All, Drawn, Evenly, First, Index, Last, Listed, Top, count

WIDTHS = (192, 256, 320, 384, 448, 576, 768, 1024)
"""Those of the papers, and those at which the published rule drifts (methods.md 5.2)."""


class Rankings:
    """One stored ranking of 12."""

    def array(self, name: str) -> Any:
        raise KeyError(name)

    def indices(self, name: str) -> Any:
        return {"scores": np.array([7, 3, 0, 11, 5, 1, 2, 4, 6, 8, 9, 10], np.int32)}[name]


def at(index: Index, length: int = 12) -> list[int]:
    made = positions(index, length, Rankings())
    assert made.dtype == np.intp and len(made) == count(index, length)
    return [int(i) for i in made]


def test_every_rule_gives_its_indices() -> None:
    assert at(All()) == list(range(12))
    assert at(First(3)) == [0, 1, 2]
    assert at(Last(3)) == [9, 10, 11]
    assert at(Evenly(4)) == [0, 3, 6, 9]
    assert at(Evenly(5)) == [0, 3, 6, 8, 11]
    assert at(Top("scores", 4)) == [0, 3, 7, 11]
    assert at(Listed((4, 4, 1))) == [4, 4, 1]


@given(st.integers(1, 200), st.data())
def test_even_spacing_is_exact(length: int, data: st.DataObject) -> None:
    chosen = data.draw(st.integers(1, length))
    if length % chosen == 0:
        expected = [i * (length // chosen) for i in range(chosen)]
    else:
        expected = [round(Fraction(i * (length - 1), chosen - 1)) for i in range(chosen)]
    assert at(Evenly(chosen), length) == expected
    assert expected == sorted(set(expected)) and 0 <= expected[0] <= expected[-1] < length


@pytest.mark.parametrize("lengths", [range(1, 401), WIDTHS, [3 * width for width in WIDTHS]], ids=len)
def test_even_spacing_in_single_precision_is_torchs_linspace_rounded(lengths: Any) -> None:
    chosen_of = range(1, 401) if len(lengths) == 400 else lengths
    for length in lengths:
        for chosen in (k for k in chosen_of if k <= length and length % k):
            theirs = torch.linspace(0, length - 1, chosen).round().long().numpy()
            ours = positions(Evenly(chosen, float32=True), length, Rankings())
            assert np.array_equal(ours, theirs), (length, chosen)


def test_single_precision_and_exact_spacing_differ_only_where_a_tie_falls() -> None:
    for length in (768, 1024, 2304):
        for chosen in (k for k in range(2, length) if length % k):
            exact, rounded = (positions(Evenly(chosen, flag), length, Rankings()) for flag in (False, True))
            for i in np.flatnonzero(exact != rounded):
                assert Fraction(int(i) * (length - 1), chosen - 1) % 1 == Fraction(1, 2)


@given(st.integers(1, 300), st.integers(0, (1 << 64) - 1), st.data())
def test_a_draw_is_ascending_and_depends_on_its_seed_alone(length: int, seed: int, data: st.DataObject) -> None:
    chosen = data.draw(st.integers(1, length))
    drawn = at(Drawn(chosen, seed), length)
    assert drawn == sorted(set(drawn)) == at(Drawn(chosen, seed), length)
    assert len(drawn) == chosen and drawn[0] >= 0 and drawn[-1] < length
    assert set(at(Drawn(max(1, chosen // 2), seed), length)) <= set(drawn)


def test_draws_reach_every_index_about_equally_often() -> None:
    drawn = np.zeros(12)
    for seed in range(2000):
        drawn[at(Drawn(3, seed))] += 1
    assert abs(drawn - 500).max() < 5 * 20  # five standard deviations of a count


@given(st.integers(1, 12), st.integers(1, 12))
def test_the_most_important_of_fewer_are_among_the_most_important_of_more(one: int, two: int) -> None:
    few, many = sorted((one, two))
    assert set(at(Top("scores", few))) <= set(at(Top("scores", many)))


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30))
def test_even_spacing_of_even_spacing_is_even_spacing_where_all_divides(a: int, b: int, c: int) -> None:
    length, middle = a * b * c, a * b
    twice = np.array(at(Evenly(middle), length))[at(Evenly(a), middle)]
    assert twice.tolist() == at(Evenly(a), length)

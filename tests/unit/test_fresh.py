"""Fresh values: their distribution, and that any piece of the stream is that part of the whole."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learngenes.fresh import _TAIL, fresh, truncated_normal
from learngenes.sources import Fill, Init


@pytest.mark.parametrize("init", get_args(Init))
def test_every_fill_has_values(init: Init) -> None:
    expected = {"zeros": np.zeros(6), "ones": np.ones(6), "truncated_normal": truncated_normal(5, 0, 6)}[init]
    made = fresh(Fill(init, 5), 0, 6)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, expected)


def test_truncated_normal_values_are_those_of_the_inverse_distribution() -> None:
    raw = np.random.Philox(key=11).random_raw(20_000)
    tail = NormalDist().cdf(-2.0)
    share = [tail + (1.0 - 2.0 * tail) * ((int(word) >> 11) + 0.5) / (1 << 53) for word in raw]
    expected = np.array([0.02 * NormalDist().inv_cdf(p) for p in share])
    np.testing.assert_allclose(truncated_normal(11, 0, 20_000), expected, rtol=1e-6, atol=1e-12)


def test_truncated_normal_has_mean_zero_its_deviation_and_its_cut() -> None:
    values = truncated_normal(3, 0, 200_000).astype(np.float64)
    density = math.exp(-2.0) / math.sqrt(2 * math.pi)  # of the normal distribution at the cut
    inside = 1.0 - 2.0 * NormalDist().cdf(-2.0)
    deviation = 0.02 * math.sqrt(1.0 - 4.0 * density / inside)
    assert abs(values.mean()) < 5 * deviation / math.sqrt(values.size)
    assert values.std() == pytest.approx(deviation, rel=0.01)
    assert 0.0399 < values.max() <= 0.04 and -0.04 <= values.min() < -0.0399


@given(st.integers(0, (1 << 64) - 1), st.integers(1, 60), st.integers(1, 60))
def test_a_shorter_draw_is_the_beginning_of_a_longer_one(seed: int, one: int, two: int) -> None:
    short, long = sorted((one, two))
    np.testing.assert_array_equal(truncated_normal(seed, 0, short), truncated_normal(seed, 0, long)[:short])


def test_a_later_piece_is_that_part_of_the_whole_draw() -> None:
    np.testing.assert_array_equal(truncated_normal(1, 8, 24), truncated_normal(1, 0, 24)[8:])


def test_another_seed_draws_other_values() -> None:
    assert not np.array_equal(truncated_normal(1, 0, 4), truncated_normal(2, 0, 4))


def test_the_cut_is_the_tail_below_two_deviations() -> None:
    assert pytest.approx(NormalDist().cdf(-2.0), rel=1e-14) == _TAIL

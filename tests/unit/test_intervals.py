from __future__ import annotations

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from learngenes.budget.intervals import CONFIDENCE, student, student_quantile, wilson


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_wilson_interval_is_scipys(trial: tuple[int, int]) -> None:
    correct, n = trial
    theirs = scipy.stats.binomtest(correct, n).proportion_ci(CONFIDENCE, method="wilson")
    assert wilson(correct / n, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("freedom", [*range(1, 41), 99, 100, 1000])
@pytest.mark.parametrize("within", [0.5, 0.95, 0.999])
def test_students_quantile_is_scipys(freedom: int, within: float) -> None:
    assert student_quantile(freedom, within=within) == pytest.approx(scipy.stats.t.ppf((1 + within) / 2, freedom))


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=8))
def test_the_interval_over_seeds_is_scipys_and_holds_the_mean(values: list[float]) -> None:
    low, high = student(values)
    mean = sum(values) / len(values)
    assert low - 1e-12 <= mean <= high + 1e-12
    if len(set(values)) > 1:
        scale = scipy.stats.sem(values)
        theirs = scipy.stats.t.interval(CONFIDENCE, len(values) - 1, loc=mean, scale=scale)
        assert (low, high) == pytest.approx(theirs, abs=1e-9)
    else:
        assert low == pytest.approx(high)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_more_images_give_a_narrower_interval_around_what_was_seen(share: float) -> None:
    wide, narrow = wilson(share, 100), wilson(share, 10_000)
    assert wide[0] <= narrow[0] <= share <= narrow[1] <= wide[1]
    assert narrow[1] - narrow[0] < wide[1] - wide[0]

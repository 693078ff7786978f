from __future__ import annotations

import math
from dataclasses import replace

import pytest
from cases.measurements import top1
from hypothesis import given
from hypothesis import strategies as st

from learngenes.budget.curves import UNKNOWN, Curve, Estimate, measured, ranked_by
from learngenes.budget.intervals import student, wilson
from learngenes.errors import UnknownName
from learngenes.sizes import Size


def params(size: Size) -> int:
    return 12 * size.depth * size.width**2 + 1000


def curve(*points: tuple[int, int, float]) -> Curve:
    return Curve([top1(*point) for point in points], params=params)


def test_one_measurement_has_wilsons_interval() -> None:
    assert measured([top1(6, 32, 0.3, n=500)]) == Estimate("measured", 0.3, *wilson(0.3, 500), 1, 500)


def test_several_seeds_have_students_interval_within_0_and_1() -> None:
    values = [0.30, 0.35, 0.31]
    found = measured([top1(6, 32, value, seed=seed) for seed, value in enumerate(values)])
    assert (found.low, found.high) == pytest.approx(student(values))
    assert found.value == pytest.approx(0.32)
    assert found.seeds == 3
    wide = measured([top1(6, 32, 0.01, seed=0), top1(6, 32, 0.99, seed=1)])
    assert (wide.low, wide.high) == (0.0, 1.0)


def test_seeds_that_change_nothing_are_one_measurement() -> None:
    found = measured([top1(6, 32, 0.3, seed=seed) for seed in range(3)])
    assert (found.low, found.high) == wilson(0.3, 1000)


def test_of_two_measurements_with_one_seed_the_later_counts() -> None:
    assert measured([top1(6, 32, 0.3), top1(6, 32, 0.4)]).value == 0.4


def test_between_depths_of_one_width_accuracy_is_linear_in_depth() -> None:
    found = curve((6, 32, 0.2), (10, 32, 0.4)).at(Size(7, 32))
    assert found.kind == "interpolated"
    assert found.value == pytest.approx(0.25)
    assert found.between == (Size(6, 32), Size(10, 32))
    ends = measured([top1(6, 32, 0.2)]), measured([top1(10, 32, 0.4)])
    assert ends[0].low is not None and ends[1].low is not None
    assert found.low == pytest.approx(0.75 * ends[0].low + 0.25 * ends[1].low)


def test_between_widths_accuracy_is_linear_in_log_parameters() -> None:
    found = curve((6, 32, 0.2), (6, 64, 0.4)).at(Size(6, 48))
    low, here, high = (math.log(params(Size(6, width))) for width in (32, 48, 64))
    assert found.value == pytest.approx(0.2 + 0.2 * (here - low) / (high - low))
    assert found.between == (Size(6, 32), Size(6, 64))


def test_inside_a_grid_both_are_used() -> None:
    grid = curve((6, 32, 0.2), (10, 32, 0.4), (6, 64, 0.3), (10, 64, 0.5))
    found = grid.at(Size(8, 48))
    assert found.between == (Size(6, 32), Size(10, 32), Size(6, 64), Size(10, 64))
    assert found.value is not None
    assert 0.3 < found.value < 0.4


@pytest.mark.parametrize("size", [Size(5, 32), Size(11, 32), Size(8, 16), Size(8, 128), Size(11, 48)])
def test_outside_what_was_measured_nothing_is_known(size: Size) -> None:
    assert curve((6, 32, 0.2), (10, 32, 0.4), (6, 64, 0.3), (10, 64, 0.5)).at(size) is UNKNOWN


points = st.dictionaries(
    st.tuples(st.integers(1, 12), st.sampled_from([16, 32, 48, 64])), st.floats(0, 1, width=32), min_size=1
)


@given(points, st.integers(1, 12), st.sampled_from([16, 32, 48, 64]))
def test_an_estimate_lies_between_the_measurements_it_names(
    values: dict[tuple[int, int], float], depth: int, width: int
) -> None:
    made = curve(*((*size, value) for size, value in values.items()))
    found = made.at(Size(depth, width))
    if (depth, width) in values:
        assert found == made.points[Size(depth, width)]
    elif found is UNKNOWN:
        assert found.value is None
    else:
        ends = [made.points[size] for size in found.between]
        known = [end.value for end in ends if end.value is not None]
        assert found.kind == "interpolated"
        assert found.value is not None and found.low is not None and found.high is not None
        assert min(known) <= found.value <= max(known)
        assert found.low <= found.value <= found.high
        assert depth in range(min(s.depth for s in found.between), max(s.depth for s in found.between) + 1)
        assert width in range(min(s.width for s in found.between), max(s.width for s in found.between) + 1)


def test_the_data_set_measured_most_ranks_and_the_others_are_told_of() -> None:
    quality = [top1(6, 32, 0.2), top1(7, 32, 0.2), top1(6, 32, 0.9, dataset="cifar10")]
    assert ranked_by(quality, None, 0) == (
        ("digits", "test"),
        ["ranked by digits test; also measured: cifar10 test"],
    )
    assert ranked_by(quality, "cifar10", 0) == (("cifar10", "test"), [])


def test_a_data_set_nobody_measured_on_is_refused_by_name() -> None:
    with pytest.raises(UnknownName, match="did you mean 'digits'"):
        ranked_by([top1(6, 32, 0.2)], "digit", 0)


def test_epochs_nobody_measured_after_are_told_of() -> None:
    (chosen, notes) = ranked_by([top1(6, 32, 0.2), replace(top1(6, 32, 0.5), epochs_after=10)], "digits", 3)
    assert chosen == (None, None)
    said = "nobody measured accuracy on digits 3 epochs after initialization, only after 0, 10"
    assert notes == [f"{said}: the largest that fit come first"]

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learngenes import header
from learngenes.errors import InvalidValue, UnsupportedSize
from learngenes.families import vit
from learngenes.sizes import MAX_DEPTH, Size, SizeSpace, Steps

steps = st.builds(
    lambda first, step, count: Steps(first, first + step * count, step),
    st.integers(1, 10),
    st.integers(1, 8),
    st.integers(0, 5),
)


@settings(max_examples=300)
@given(steps, st.integers(-5, 60) | st.integers())
def test_the_nearest_step_is_the_one_a_search_finds_and_the_smaller_of_two(space: Steps, value: int) -> None:
    members = range(space.first, space.last + 1, space.step)
    assert space.nearest(value) == min(members, key=lambda member: (abs(member - value), member))


@given(steps, st.integers(-10, 600))
def test_a_number_is_among_the_steps_if_it_is_its_own_nearest(space: Steps, value: int) -> None:
    assert (value in space) == (space.nearest(value) == value)


def test_only_whole_numbers_are_among_the_steps() -> None:
    assert 3 in Steps(1, 5)
    assert 3.0 not in Steps(1, 5)
    assert "3" not in Steps(1, 5)


@pytest.mark.parametrize(("first", "last", "step"), [(0, 5, 1), (5, 4, 1), (1, 5, 0), (1, 5, -1), (1, 5, 3)])
def test_steps_that_are_no_range_cannot_exist(first: int, last: int, step: int) -> None:
    with pytest.raises(InvalidValue, match=f"steps {first}..{last} by {step} are not a range of sizes"):
        Steps(first, last, step)


def test_steps_are_said_in_words() -> None:
    assert [str(Steps(1, 512)), str(Steps(64, 64)), str(Steps(64, 256, 64))] == [
        "1 to 512",
        "64",
        "64 to 256 in steps of 64",
    ]


@pytest.mark.parametrize("value", [0, -1, 1.0, True, None, "3"])
@pytest.mark.parametrize("name", ["depth", "width"])
def test_a_size_is_whole_and_at_least_one(name: str, value: object) -> None:
    with pytest.raises(InvalidValue, match=f"{name} is a whole number of at least 1, got {value!r}"):
        Size(**({"depth": 1, "width": 1} | {name: value}))  # type: ignore[arg-type]


def test_a_size_off_the_space_is_told_the_way_out() -> None:
    space = SizeSpace(depth=Steps(2, 8, 2), width=Steps(64, 64))
    with pytest.raises(UnsupportedSize) as error:
        space.check(9, 100, learngene="tiny@1")
    assert str(error.value) == (
        "learngene 'tiny@1' can't be depth 9, width 100: it takes depth 2 to 8 in steps of 2 and width 64; "
        "the nearest is depth 8, width 64"
    )
    assert (error.value.space, error.value.nearest) == (space, Size(8, 64))


def test_a_size_of_the_space_is_itself() -> None:
    assert SizeSpace(Steps(1, 8), Steps(64, 64)).check(3, 64, learngene="tiny@1") == Size(3, 64)


def test_the_deepest_descendants_header_stays_under_a_megabyte() -> None:
    giant = vit.Geometry(MAX_DEPTH, 8192, 64, 16, 224, 100_000, class_token=True, pool="token")
    plan = header.layout({name: ("F32", shape) for name, shape in vit.shapes(giant).items()})
    assert plan.size > 1e12
    assert len(plan.header) < header.MAX_HEADER_BYTES


def test_a_size_has_one_name() -> None:
    assert Size(9, 384).name == "depth9-width384"

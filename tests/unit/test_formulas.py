"""Every source computes what its docstring says, against numpy written out."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from learngenes.formulas import compute, kron_sum
from learngenes.fresh import truncated_normal
from learngenes.sources import (
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
    Source,
    Stored,
    Top,
)

Array = np.ndarray[Any, np.dtype[Any]]


class Held:
    """Arrays by name, read as a learngene's are."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.arrays = arrays

    def array(self, name: str) -> Array:
        return self.arrays[name].astype(np.float32)

    def indices(self, name: str) -> Array:
        return self.arrays[name]


DRAW = np.random.default_rng(0)
ARRAYS: dict[str, Array] = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array([[1, -1, 0.5], [2, 0, -3]], np.float32),
    "qkv": DRAW.normal(size=(3 * 4 * 2, 8)).astype(np.float32),
    "scalers": DRAW.normal(size=(5, 2, 3)).astype(np.float32),
    "templates": DRAW.normal(size=(5, 4, 2)).astype(np.float32),
    "grid": np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2),
    "order": np.array([2, 0, 3, 1], np.int32),
}
HELD = Held(ARRAYS)
A, B = ARRAYS["a"], ARRAYS["b"]
CASES: dict[Source, Array] = {
    Stored("a"): A,
    Fill("ones"): np.ones((2, 3), np.float32),
    Affine(Stored("a"), Stored("b"), 0.25): A + np.float32(0.25) * B,
    Pick(Stored("a"), (2, 3), (Listed((1, 0)), Listed((2, 2, 0))), 2.0): 2 * A[[1, 0]][:, [2, 2, 0]],
    KronSum(Stored("s"), Stored("t"), 1, (1, 3), (2, 1)): np.kron(A[:1], np.array([[1], [-1]], np.float32)),
    Resized(Stored("a"), (2, 3), (0, 1), (2, 3), "bicubic"): A,
    Joined((Stored("row"), Fill("zeros")), ((1, 3), (1, 3)), 0): np.stack([A[0], np.zeros(3, np.float32)]),
}
NAMED = Held({"a": A, "b": B, "s": A[:1], "t": np.array([[1], [-1]], np.float32), "row": A[0]})


@pytest.mark.parametrize("source", CASES, ids=lambda source: type(source).__name__)
def test_a_source_is_computed_in_single_precision(source: Source) -> None:
    values = compute(source, (2, 3), NAMED)
    assert (values.dtype, values.shape) == (np.float32, (2, 3))
    np.testing.assert_array_equal(values, CASES[source])


def test_every_source_is_tested_here() -> None:
    assert {type(source) for source in CASES} == set(get_args(Source))


def test_computing_leaves_what_is_stored_as_it_is() -> None:
    before = {name: array.copy() for name, array in NAMED.arrays.items()}
    for source in CASES:
        compute(source, (2, 3), NAMED)[...] = 7 if not isinstance(source, Stored) else A
    for name, array in before.items():
        np.testing.assert_array_equal(NAMED.arrays[name], array)


def test_a_fill_has_its_values_in_any_shape() -> None:
    np.testing.assert_array_equal(
        compute(Fill("truncated_normal", 5), (2, 3), HELD), truncated_normal(5, 0, 6).reshape(2, 3)
    )


PICKS = {
    All(): [0, 1, 2, 3],
    First(2): [0, 1],
    Last(2): [2, 3],
    Evenly(2): [0, 2],
    Evenly(3): [0, 2, 3],
    Evenly(3, float32=True): [0, 2, 3],
    Top("order", 3): [0, 2, 3],
    Listed((3, 3, 0)): [3, 3, 0],
}


@pytest.mark.parametrize("heads", [*PICKS, Drawn(3, 7)], ids=str)
@pytest.mark.parametrize("factor", [1.0, 2**0.5])
def test_a_pick_is_numpys_indexing_times_a_factor(heads: Any, factor: float) -> None:
    drawn = np.sort(np.argsort(np.random.Philox(key=7).random_raw(4), kind="stable")[:3])
    chosen = PICKS.get(heads, drawn)
    source = Pick(Stored("qkv"), (3, 4, 2, 8), (All(), heads, All(), Evenly(4)), factor)
    rows = ARRAYS["qkv"].reshape(3, 4, 2, 8)[:, chosen][..., [0, 2, 4, 6]] * np.float32(factor)
    made = compute(source, (3 * len(chosen) * 2, 4), HELD)
    np.testing.assert_array_equal(made, rows.reshape(-1, 4))


@pytest.mark.parametrize("order", ["scaler-first", "template-first"])
def test_a_kron_sum_is_the_sum_of_numpys_kron(order: Any) -> None:
    scalers, templates = ARRAYS["scalers"].astype(np.float64), ARRAYS["templates"].astype(np.float64)
    pairs = zip(scalers, templates, strict=True)
    expected = sum(np.kron(s, t) if order == "scaler-first" else np.kron(t, s) for s, t in pairs)
    source = KronSum(Stored("scalers"), Stored("templates"), 5, (2, 3), (4, 2), order)
    np.testing.assert_allclose(compute(source, (8, 6), HELD), expected, rtol=0, atol=1e-6)


def test_both_orders_of_a_kron_sum_are_one_matrix_shuffled() -> None:
    one, other = (
        compute(KronSum(Stored("scalers"), Stored("templates"), 5, (2, 3), (4, 2), order), (8, 6), HELD)
        for order in ("scaler-first", "template-first")
    )
    shuffled = one.reshape(2, 4, 3, 2).transpose(1, 0, 3, 2).reshape(8, 6)
    np.testing.assert_array_equal(shuffled, other)


small = st.integers(1, 4)


@given(st.tuples(small, small, small, small, small), st.integers(0, 99))
def test_a_block_of_a_kron_sum_does_not_depend_on_the_other_blocks(
    sides: tuple[int, int, int, int, int], seed: int
) -> None:
    terms, a, b, p, q = sides
    draw = np.random.default_rng(seed)
    left = draw.normal(size=(terms, a, b)).astype(np.float32)
    right = draw.normal(size=(terms, p, q)).astype(np.float32)
    whole = kron_sum(left, right)
    for i in reversed(range(a)):
        for j in range(b):
            block = kron_sum(left[:, i : i + 1, j : j + 1], right)
            np.testing.assert_array_equal(whole[i * p : (i + 1) * p, j * q : (j + 1) * q], block)


def test_computing_on_two_threads_at_once_gives_the_same_bits() -> None:
    draw = np.random.default_rng(1)
    held = Held({name: draw.normal(size=(8, 24, 24)).astype(np.float32) for name in ("s", "t")})
    source = Affine(KronSum(Stored("s"), Stored("t"), 8, (24, 24), (24, 24)), Fill("truncated_normal", 3), 0.1)
    alone = compute(source, (576, 576), held).tobytes()
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(lambda _: compute(source, (576, 576), held).tobytes(), range(4))
    assert set(made) == {alone}


@given(hnp.arrays(np.float32, (2, 3, 2), elements=st.floats(-10, 10, width=32)), st.integers(0, 2))
def test_joined_parts_are_numpys_concatenation(values: Array, axis: int) -> None:
    held = Held({"a": values, "b": values[::-1]})
    source = Joined((Stored("a"), Stored("b")), ((2, 3, 2), (2, 3, 2)), axis)
    expected = np.concatenate([values, values[::-1]], axis)
    np.testing.assert_array_equal(compute(source, source.shape, held), expected)


def test_sources_nest() -> None:
    sum_ = Affine(Stored("a"), Stored("b"), 0.5)
    picked = Pick(Joined((sum_, Fill("zeros")), ((2, 3), (1, 3)), 0), (3, 3), (Listed((2, 0)), First(2)), 3.0)
    expected = np.array([[0, 0], [3 * (0 + 0.5), 3 * (1 - 0.5)]], np.float32)
    np.testing.assert_array_equal(compute(picked, (4,), NAMED), expected.reshape(4))

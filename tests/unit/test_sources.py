"""Sources that cannot be computed cannot exist; what they read is known before anything is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases.drawn_sources import shapes, sources
from hypothesis import given
from hypothesis import strategies as st

from learngenes.errors import BadRecipe
from learngenes.formulas import compute
from learngenes.recipe import Entry
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
    Source,
    Stored,
    Top,
    check,
    rankings,
    stored_names,
)

A = Stored("a")
BAD: dict[str, Any] = {
    "fill 'random' is none of zeros, ones, truncated_normal": lambda: Fill("random"),  # type: ignore[arg-type]
    r"a seed is a whole number of 0 to 2\*\*64 - 1, got -1": lambda: Drawn(2, -1),
    "got True": lambda: Drawn(2, True),
    "at is a finite number, got nan": lambda: Affine(A, A, float("nan")),
    "at is a finite number, got 1$": lambda: Affine(A, A, 1),
    "factor is a finite number, got inf": lambda: Pick(A, (2,), (All(),), float("inf")),
    r"a pick from \(2, 3\) needs as many indices, got 1": lambda: Pick(A, (2, 3), (All(),)),
    r"First\(count=3\) can't choose from an axis of 2": lambda: Pick(A, (2,), (First(3),)),
    r"Last\(count=0\) can't choose from an axis of 2": lambda: Pick(A, (2,), (Last(0),)),
    r"Evenly\(count=True, float32=False\) can't choose": lambda: Pick(A, (2,), (Evenly(True),)),
    r"Top\(name='r', count=5\) can't choose from an axis of 4": lambda: Pick(A, (4,), (Top("r", 5),)),
    r"indices \(0, 2\) do not lie on an axis of 2": lambda: Pick(A, (2,), (Listed((0, 2)),)),
    r"indices \(-1,\) do not lie on an axis of 2": lambda: Pick(A, (2,), (Listed((-1,)),)),
    r"indices \(\) do not lie on an axis of 2": lambda: Pick(A, (2,), (Listed(()),)),
    r"no sum of 0 products of \(1, 1\) and \(2, 2\)": lambda: KronSum(A, A, 0, (1, 1), (2, 2)),
    "'sideways'": lambda: KronSum(A, A, 1, (1, 1), (2, 2), "sideways"),  # type: ignore[arg-type]
    "kernel 'nearest' is none of": lambda: Resized(A, (2, 2), (0, 1), (1, 1), "nearest"),  # type: ignore[arg-type]
    r"axes \(1, 0\) of \(2, 2\) can't be resized to \(1, 1\)": lambda: Resized(A, (2, 2), (1, 0), (1, 1), "patch"),
    r"axes \(0, 2\) of": lambda: Resized(A, (2, 2), (0, 2), (1, 1), "patch"),
    r"can't be resized to \(1, 0\)": lambda: Resized(A, (2, 2), (0, 1), (1, 0), "patch"),
    r"of \(0, 2\) can't be resized": lambda: Resized(A, (0, 2), (0, 1), (1, 1), "bicubic"),
    r"can't be joined along axis 0": lambda: Joined((), (), 0),
    r"tensors of \(\(2, 3\), \(2, 4\)\) can't be joined along axis 0": lambda: Joined((A, A), ((2, 3), (2, 4)), 0),
    r"can't be joined along axis -1": lambda: Joined((A,), ((2, 3),), -1),
    r"can't be joined along axis 2": lambda: Joined((A,), ((2, 3),), 2),
    r"tensors of \(\(2,\), \(2, 1\)\)": lambda: Joined((A, A), ((2,), (2, 1)), 0),
    "can't be joined along axis True": lambda: Joined((A,), ((2, 3),), True),
}


@pytest.mark.parametrize("sentence", BAD)
def test_a_source_that_cannot_be_cannot_exist(sentence: str) -> None:
    with pytest.raises(BadRecipe, match=sentence):
        BAD[sentence]()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (Pick(A, (4,), (First(2),)), r"Pick makes 2 values; shape \(2, 3\) takes 6"),
        (KronSum(A, A, 1, (1, 1), (2, 2)), r"KronSum makes 4 values; shape \(2, 3\) takes 6"),
        (Resized(A, (2, 2), (0, 1), (3, 3), "bicubic"), "Resized makes 9 values"),
        (Joined((A,), ((5,),), 0), "Joined makes 5 values"),
        (Affine(A, Pick(A, (4,), (First(2),)), 1.0), "Pick makes 2 values"),
        (Pick(Joined((A,), ((5,),), 0), (2, 3), (All(), All())), r"Joined makes 5 values; shape \(2, 3\) takes 6"),
    ],
)
def test_a_source_that_does_not_fill_its_tensor_is_refused(source: Source, sentence: str) -> None:
    with pytest.raises(BadRecipe, match=sentence):
        Entry("x", (2, 3), source)


def test_sources_nest_only_so_deep() -> None:
    def nested(times: int) -> Source:
        source: Source = A
        for _ in range(times):
            source = Pick(source, (2,), (All(),))
        return source

    check(nested(MAX_NESTING), (2,))
    with pytest.raises(BadRecipe, match=f"sources nest deeper than {MAX_NESTING}"):
        check(nested(MAX_NESTING + 1), (2,))


class Noted:
    """Gives random tensors of any shape, and notes what was asked for."""

    def __init__(self, lengths: dict[str, int], sizes: dict[str, int]) -> None:
        self.lengths, self.sizes, self.asked = lengths, sizes, set[str]()

    def array(self, name: str) -> Any:
        self.asked.add(name)
        return np.ones(self.sizes[name], np.float32)

    def indices(self, name: str) -> Any:
        self.asked.add(name)
        return np.arange(self.lengths[name], dtype=np.int32)


def renamed(source: Source) -> Source:
    """The same with a name of its own for every stored tensor and ranking, so that each has one shape."""
    counter = iter(range(1 << 20))

    def rule(index: Any) -> Any:
        return Top(f"r{next(counter)}", index.count) if isinstance(index, Top) else index

    def walk(source: Source) -> Source:
        match source:
            case Stored():
                return Stored(f"t{next(counter)}")
            case Fill():
                return source
            case Affine(base, slope, at):
                return Affine(walk(base), walk(slope), at)
            case Pick(within, view, axes, factor):
                return Pick(walk(within), view, tuple(rule(index) for index in axes), factor)
            case KronSum(one, other, terms, grid, block, order):
                return KronSum(walk(one), walk(other), terms, grid, block, order)
            case Resized(within, view, axes, sides, kernel):
                return Resized(walk(within), view, axes, sides, kernel)
            case Joined(parts, views, axis):
                return Joined(tuple(walk(part) for part in parts), views, axis)

    return walk(source)


@given(st.data())
@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value")
def test_any_source_fills_its_shape_and_reads_what_it_said_it_would(data: st.DataObject) -> None:
    shape = data.draw(shapes)
    source = renamed(data.draw(sources(shape)))
    check(source, shape)
    sizes = {name: int(np.prod(within)) for name, within in stored_names(source, shape)}
    lengths = dict(rankings(source, shape))
    reader = Noted(lengths, sizes)
    made = compute(source, shape, reader)
    assert (made.shape, made.dtype) == (shape, np.float32)
    assert reader.asked == sizes.keys() | lengths.keys()

"""Hypothesis strategies: any source that fills a shape, nested as deep as plans nest them."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from learngenes.sources import (
    Affine,
    All,
    Drawn,
    Evenly,
    Fill,
    First,
    Index,
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

names = st.sampled_from(["a", "stages.3.attn.qkv.weight", "templates.x", "naïve"])
seeds = st.integers(0, (1 << 64) - 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


@st.composite
def indices(draw: Any, chosen: int) -> tuple[Index, int]:
    """A rule that chooses so many, and the length of an axis that it can choose from."""
    length = draw(st.integers(chosen, chosen + 3))
    listed = draw(st.lists(st.integers(0, length - 1), min_size=chosen, max_size=chosen))
    rules: list[Index] = [First(chosen), Last(chosen), Evenly(chosen), Evenly(chosen, float32=True)]
    rules += [Drawn(chosen, draw(seeds)), Top(draw(names), chosen), Listed(tuple(listed))]
    return draw(st.sampled_from([(rule, length) for rule in rules] + [(All(), chosen)]))


@st.composite
def sources(draw: Any, shape: tuple[int, ...], nesting: int = 3) -> Source:
    """A source that fills the shape."""
    leaves = [names.map(Stored), st.builds(Fill, st.sampled_from(["zeros", "ones", "truncated_normal"]), seeds)]
    if nesting == 0:
        return draw(st.one_of(leaves))
    return draw(st.one_of(*leaves, *(kind(shape, nesting - 1) for kind in (_affine, _pick, _kron, _resized, _joined))))


@st.composite
def _affine(draw: Any, shape: tuple[int, ...], nesting: int) -> Source:
    return Affine(draw(sources(shape, nesting)), draw(sources(shape, nesting)), draw(numbers))


@st.composite
def _pick(draw: Any, shape: tuple[int, ...], nesting: int) -> Source:
    chosen = [draw(indices(side)) for side in shape]
    view = tuple(length for _, length in chosen)
    return Pick(draw(sources(view, nesting)), view, tuple(rule for rule, _ in chosen), draw(numbers))


@st.composite
def _kron(draw: Any, shape: tuple[int, ...], nesting: int) -> Source:
    terms, size = draw(st.integers(1, 3)), math.prod(shape)
    grid = draw(st.sampled_from([n for n in range(1, size + 1) if size % n == 0])), 1
    block = 1, size // grid[0]
    within = draw(sources((terms, *grid), nesting)), draw(sources((terms, *block), nesting))
    return KronSum(*within, terms, grid, block, draw(st.sampled_from(["scaler-first", "template-first"])))


@st.composite
def _resized(draw: Any, shape: tuple[int, ...], nesting: int) -> Source:
    view = (draw(st.integers(1, 4)), *shape[:-1], draw(st.integers(1, 4)))
    kernel = draw(st.sampled_from(["bicubic", "bilinear", "patch"]))
    return Resized(draw(sources(view, nesting)), view, (0, len(shape)), (1, shape[-1]), kernel)


@st.composite
def _joined(draw: Any, shape: tuple[int, ...], nesting: int) -> Source:
    axis = draw(st.integers(0, len(shape) - 1))
    cut = draw(st.integers(0, shape[axis]))
    views = tuple((*shape[:axis], length, *shape[axis + 1 :]) for length in (cut, shape[axis] - cut) if length)
    return Joined(tuple(draw(sources(view, nesting)) for view in views), views, axis)

"""Where the values of a tensor come from: the closed set of sources, and the index rules of `Pick`.

Sources nest: a tensor of one block may be picked from a sum of two stored ones. All shapes are known from above, so a
source states only what can't be told from the tensor it has to fill. A new source is a class here, a case in
formulas.py, and golden bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from learngenes.errors import BadRecipe
from learngenes.families.vit import Shape

Init = Literal["zeros", "ones", "truncated_normal"]
Kernel = Literal["bicubic", "bilinear", "patch"]
Order = Literal["scaler-first", "template-first"]

MAX_NESTING = 24
"""Deepest nesting of sources: what a plan builds stays below ten."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The bytes of a tensor of the learngene, rounded if the descendant's dtype is another."""

    name: str


@dataclass(frozen=True, slots=True)
class Fill:
    """Fresh values: zeros, ones, or a normal of standard deviation 0.02 cut at two of them.

    seed: of the counter-based generator; only `truncated_normal` draws from it.
    """

    init: Init
    seed: int = 0

    def __post_init__(self) -> None:
        if self.init not in get_args(Init):
            raise BadRecipe(f"fill {self.init!r} is none of {', '.join(get_args(Init))}")
        _check_seed(self.seed)


@dataclass(frozen=True, slots=True)
class Affine:
    """base + at * slope, both of the tensor's own shape."""

    base: Source
    slope: Source
    at: float

    def __post_init__(self) -> None:
        _finite("at", self.at)


@dataclass(frozen=True, slots=True)
class All:
    """Every index of an axis, in order."""


@dataclass(frozen=True, slots=True)
class First:
    """Indices 0 .. count - 1."""

    count: int


@dataclass(frozen=True, slots=True)
class Last:
    """The last `count` indices."""

    count: int


@dataclass(frozen=True, slots=True)
class Evenly:
    """`count` indices spread over an axis of n: every n / count, if that is whole; else i * (n - 1) / (count - 1).

    That is rounded, ties to even, in exact arithmetic. Weight selection, arXiv:2311.18823; `float32` rounds what the
    authors' code computes, torch.linspace in single precision, where a tie may fall either way.
    """

    count: int
    float32: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    """A random subset of `count` indices, ascending; equal for equal seeds and axis lengths."""

    count: int
    seed: int

    def __post_init__(self) -> None:
        _check_seed(self.seed)


@dataclass(frozen=True, slots=True)
class Top:
    """The `count` most important indices, ascending, by the stored ranking `name` (most important first)."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Listed:
    """These indices; repeats are allowed."""

    indices: tuple[int, ...]


Index = All | First | Last | Evenly | Drawn | Top | Listed


@dataclass(frozen=True, slots=True)
class Pick:
    """factor * source[chosen along every axis].

    view: the shape in which the source is indexed, e.g. (3, heads, head dim, width) for qkv; axes: one index per axis.
    """

    source: Source
    view: Shape
    axes: tuple[Index, ...]
    factor: float = 1.0

    def __post_init__(self) -> None:
        if len(self.view) != len(self.axes):
            raise BadRecipe(f"a pick from {self.view} needs as many indices, got {len(self.axes)}")
        for length, index in zip(self.view, self.axes, strict=True):
            _check_index(index, length)
        _finite("factor", self.factor)

    @property
    def shape(self) -> Shape:
        """What is picked."""
        return tuple(count(index, length) for length, index in zip(self.view, self.axes, strict=True))


@dataclass(frozen=True, slots=True)
class KronSum:
    """sum_t S_t (x) T_t, a grid of scaled copies of templates. WAVE; `template-first` is sum_t T_t (x) S_t.

    scalers: (terms, *grid); templates: (terms, *block). The result has grid * block rows and columns.
    """

    scalers: Source
    templates: Source
    terms: int
    grid: tuple[int, int]
    block: tuple[int, int]
    order: Order = "scaler-first"

    def __post_init__(self) -> None:
        if min(self.terms, *self.grid, *self.block) < 1 or self.order not in get_args(Order):
            raise BadRecipe(f"no sum of {self.terms} products of {self.grid} and {self.block}, {self.order!r}")


@dataclass(frozen=True, slots=True)
class Resized:
    """The source with two of its axes resampled to other lengths.

    view: the shape in which the axes are counted; axes: which two; sides: their new lengths.
    kernel: `bicubic` and `bilinear` with antialiasing, or `patch`: the pseudo-inverse of bicubic resizing, under which
    a patch kernel answers a resized image as it answered the image (FlexiViT, arXiv:2212.08013).
    """

    source: Source
    view: Shape
    axes: tuple[int, int]
    sides: tuple[int, int]
    kernel: Kernel

    def __post_init__(self) -> None:
        if self.kernel not in get_args(Kernel):
            raise BadRecipe(f"kernel {self.kernel!r} is none of {', '.join(get_args(Kernel))}")
        first, second = self.axes
        if not 0 <= first < second < len(self.view) or min(*self.view, *self.sides) < 1:
            raise BadRecipe(f"axes {self.axes} of {self.view} can't be resized to {self.sides}")

    @property
    def shape(self) -> Shape:
        """What comes of it."""
        sides = dict(zip(self.axes, self.sides, strict=True))
        return tuple(sides.get(axis, length) for axis, length in enumerate(self.view))


@dataclass(frozen=True, slots=True)
class Joined:
    """Sources one after another along an axis. views: the shape of each."""

    parts: tuple[Source, ...]
    views: tuple[Shape, ...]
    axis: int

    def __post_init__(self) -> None:
        rests = {(view[: self.axis], view[self.axis + 1 :]) for view in self.views}
        ranks = {len(view) for view in self.views}
        fits = len(self.parts) == len(self.views) and len(rests) == len(ranks) == 1
        if not (fits and type(self.axis) is int and 0 <= self.axis < ranks.pop()):
            raise BadRecipe(f"tensors of {self.views} can't be joined along axis {self.axis}")

    @property
    def shape(self) -> Shape:
        """What comes of it."""
        first = self.views[0]
        return (*first[: self.axis], sum(view[self.axis] for view in self.views), *first[self.axis + 1 :])


Source = Stored | Fill | Affine | Pick | KronSum | Resized | Joined


def count(index: Index, length: int) -> int:
    """How many indices a rule gives for an axis of this length."""
    match index:
        case All():
            return length
        case Listed(indices):
            return len(indices)
        case _:
            return index.count


def inner(source: Source, shape: Shape) -> Iterator[tuple[Source, Shape]]:
    """The sources directly inside this one, which fills `shape`, each with the shape it has to fill."""
    match source:
        case Affine(base, slope):
            yield base, shape
            yield slope, shape
        case Pick(within, view):
            yield within, view
        case KronSum(scalers, templates, terms, grid, block):
            yield scalers, (terms, *grid)
            yield templates, (terms, *block)
        case Resized(within, view):
            yield within, view
        case Joined(parts, views):
            yield from zip(parts, views, strict=True)


def check(source: Source, shape: Shape, *, nesting: int = 0) -> None:
    """BadRecipe unless the source can fill this shape."""
    if nesting > MAX_NESTING:
        raise BadRecipe(f"sources nest deeper than {MAX_NESTING}")
    match source:
        case Pick() | Resized() | Joined():
            made = math.prod(source.shape)
        case KronSum(_, _, _, grid, block):
            made = math.prod(grid) * math.prod(block)
        case _:
            made = math.prod(shape)
    if made != math.prod(shape):
        raise BadRecipe(f"{type(source).__name__} makes {made} values; shape {shape} takes {math.prod(shape)}")
    for within, its_shape in inner(source, shape):
        check(within, its_shape, nesting=nesting + 1)


def stored_names(source: Source, shape: Shape) -> Iterator[tuple[str, Shape]]:
    """Every stored float tensor the source reads, with the shape it has to have (in number of elements)."""
    if isinstance(source, Stored):
        yield source.name, shape
    for within, its_shape in inner(source, shape):
        yield from stored_names(within, its_shape)


def rankings(source: Source, shape: Shape) -> Iterator[tuple[str, int]]:
    """Every stored ranking the source reads, with its length."""
    if isinstance(source, Pick):
        for length, index in zip(source.view, source.axes, strict=True):
            if isinstance(index, Top):
                yield index.name, length
    for within, its_shape in inner(source, shape):
        yield from rankings(within, its_shape)


def _check_index(index: Index, length: int) -> None:
    if isinstance(index, Listed):
        if not index.indices or not all(type(i) is int and 0 <= i < length for i in index.indices):
            raise BadRecipe(f"indices {str(index.indices)[:60]} do not lie on an axis of {length}")
    elif not isinstance(index, All) and not (type(index.count) is int and 1 <= index.count <= length):
        raise BadRecipe(f"{index!r} can't choose from an axis of {length}")


def _check_seed(seed: int) -> None:
    if type(seed) is not int or not 0 <= seed < 1 << 64:
        raise BadRecipe(f"a seed is a whole number of 0 to 2**64 - 1, got {seed!r}")


def _finite(name: str, value: float) -> None:
    if not (isinstance(value, float) and math.isfinite(value)):
        raise BadRecipe(f"{name} is a finite number, got {value!r}")

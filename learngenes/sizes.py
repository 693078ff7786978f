"""A size, and the space of sizes a learngene can take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from learngenes.errors import InvalidValue, UnsupportedSize

MAX_DEPTH = 512
"""Deepest descendant we build: its safetensors header stays under a megabyte."""


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """depth: number of blocks; width: embedding dimension. Both whole and at least 1."""

    depth: int
    width: int

    def __post_init__(self) -> None:
        for name, value in (("depth", self.depth), ("width", self.width)):
            if type(value) is not int or value < 1:
                raise InvalidValue(f"{name} is a whole number of at least 1, got {value!r}")

    @property
    def name(self) -> str:
        """`depth9-width384`: what it is called in names and addresses."""
        return f"depth{self.depth}-width{self.width}"


def nearest_first(sizes: Iterable[Size], size: Size) -> tuple[Size, ...]:
    """The sizes by their distance to one of them: relative, depth and width alike; equals by depth."""
    return tuple(
        sorted(
            sizes, key=lambda s: (abs(s.depth - size.depth) / size.depth + abs(s.width - size.width) / size.width, s)
        )
    )


@dataclass(frozen=True, slots=True)
class Steps:
    """first, first + step, ..., last: both ends included."""

    first: int
    last: int
    step: int = 1

    def __post_init__(self) -> None:
        if self.first < 1 or self.step < 1 or self.last < self.first or (self.last - self.first) % self.step:
            raise InvalidValue(f"steps {self.first}..{self.last} by {self.step} are not a range of sizes")

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and value in range(self.first, self.last + 1, self.step)

    def nearest(self, value: int) -> int:
        """The member closest to value; the smaller one of two equally close."""
        steps = max(0, min((self.last - self.first) // self.step, (value - self.first) // self.step))
        below = self.first + steps * self.step
        above = min(below + self.step, self.last)
        return above if abs(above - value) < abs(value - below) else below

    def within(self, other: Steps) -> bool:
        """Whether every member is one of other's."""
        return self.first in other and self.last in other and (self.first == self.last or self.step % other.step == 0)

    def __str__(self) -> str:
        if self.first == self.last:
            return str(self.first)
        by = "" if self.step == 1 else f" in steps of {self.step}"
        return f"{self.first} to {self.last}{by}"


@dataclass(frozen=True, slots=True)
class SizeSpace:
    """Every size a learngene can take: the product of its depths and widths."""

    depth: Steps
    width: Steps

    def nearest(self, depth: int, width: int) -> Size:
        """The legal size closest to depth x width, which may be anything."""
        return Size(self.depth.nearest(depth), self.width.nearest(width))

    def within(self, other: SizeSpace) -> bool:
        """Whether every size is one of other's."""
        return self.depth.within(other.depth) and self.width.within(other.width)

    def check(self, depth: int, width: int, *, learngene: str) -> Size:
        """The size, if it is legal; UnsupportedSize with the way out otherwise."""
        if depth in self.depth and width in self.width:
            return Size(depth, width)
        nearest = self.nearest(depth, width)
        raise UnsupportedSize(
            f"learngene {learngene!r} can't be depth {depth}, width {width}: "
            f"it takes depth {self.depth} and width {self.width}; "
            f"the nearest is depth {nearest.depth}, width {nearest.width}",
            space=self,
            nearest=nearest,
        )

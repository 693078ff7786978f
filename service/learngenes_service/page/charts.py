"""Where the marks of a chart lie: across in percent of its breadth, which is the reader's matter, down in pixels.

So text and points keep their size on every screen; page.js draws the curves of a job by the same rules.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT = 240
"""Of the plot in pixels, without the labels below it."""

MARGIN = 8
"""At the top, for half of a point."""

MOST_TICKS = 12

LEAST, MOST = 1e-300, 1e300
"""Between these a value has an axis."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places: percent from the left, pixels from the top."""

    first: float
    last: float
    height: int = HEIGHT

    def percent(self, value: float) -> float:
        """0 at first, 100 at last."""
        return round(100 * (value - self.first) / (self.last - self.first or 1), 3)

    def pixels(self, value: float | None) -> float:
        """The height at first, MARGIN at last."""
        share = ((value or 0.0) - self.first) / (self.last - self.first or 1)
        return round(self.height - share * (self.height - MARGIN), 2)

    def ticks(self, first: int, last: int, most: int = MOST_TICKS) -> tuple[tuple[float, str], ...]:
        """Whole numbers of a round step from first to last."""
        step = next(
            step * 10**power for power in range(12) for step in (1, 2, 5) if (last - first) // (step * 10**power) < most
        )
        begin = math.ceil(first / step) * step
        return tuple((self.percent(value), f"{value:,}") for value in range(begin, last + 1, step))


@dataclass(frozen=True, slots=True)
class Mark:
    """A point. value: across, as a number."""

    value: int
    x: float
    y: float
    measured: bool
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """Points and the pieces between neighbours; a piece is solid or dashed."""

    kind: str
    label: str
    marks: tuple[Mark, ...]
    pieces: tuple[tuple[Mark, Mark, bool], ...]


@dataclass(frozen=True, slots=True)
class Label:
    """A word at the right edge."""

    y: float
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of accuracy over depth. at: the chosen depth; beyond: it lies further right than is drawn; first,
    last: depths at the edges."""

    x: tuple[tuple[float, str], ...]
    y: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]
    bands: tuple[str, ...]
    labels: tuple[Label, ...]
    chance: float | None
    at: float
    here: float | None
    beyond: bool
    first: float
    last: float
    height: int = HEIGHT


def ticks(highest: float, height: int = HEIGHT) -> tuple[Scale, tuple[float, ...]]:
    """A scale from 0 over `highest` in three to six round steps, and the values of its lines."""
    highest = highest if LEAST < highest < MOST else 1.0
    power = 10 ** math.floor(math.log10(highest))
    step = next(s * power / 10 for s in (1, 2, 2.5, 5, 10, 20) if highest / (s * power / 10) <= 5)
    count = math.ceil(round(highest / step, 9))
    return Scale(0.0, step * count, height), tuple(step * n for n in range(count + 1))


def band(edges: Sequence[tuple[float, float, float]]) -> str:
    """The path around (x, low, high): along the lows and back along the highs."""
    lows = [f"{x} {low}" for x, low, _ in edges]
    highs = [f"{x} {high}" for x, _, high in reversed(edges)]
    return "M" + "L".join(lows + highs) + "Z"

"""What is known of a learngene's sizes from measurements of some: measured, interpolated between them, or unknown."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from learngenes.budget.intervals import student, wilson
from learngenes.errors import UnknownName
from learngenes.gene import Quality
from learngenes.sizes import Size

TOP1: Literal["top1"] = "top1"
"""Metric of accuracies: the share, 0..1, of n images whose label has the highest logit."""

LATENCY_MS: Literal["latency_ms"] = "latency_ms"
"""Metric of speeds: median milliseconds of a forward pass of one image; n counts the passes."""


Ranked = tuple[str | None, str | None]
"""The data set and the split whose accuracies rank; None if there is none."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and how it is known. low, high: its 95 % interval, where there is one.

    measured: the mean over `seeds`; the interval is Student's over the seeds if their values differ, else Wilson's for
    one measurement of n images. interpolated: on a line between the measured sizes of `between`; its interval lies on
    the lines between theirs and says nothing of how straight the line should be. unknown: no value.
    """

    kind: Literal["measured", "interpolated", "unknown"]
    value: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: int = 0
    n: int = 0
    between: tuple[Size, ...] = ()


UNKNOWN = Estimate("unknown")


def measured(entries: Sequence[Quality]) -> Estimate:
    """All measurements of one size by one metric, on one data set. Of two with the same seed the later one counts."""
    values = list({entry.seed: entry.value for entry in entries}.values())
    value, n = fmean(values), entries[-1].n
    if entries[-1].metric != TOP1:
        return Estimate("measured", value, seeds=len(values), n=n)
    if len(set(values)) > 1:
        low, high = student(values)
    else:  # seeds that change nothing, as in most untuned descendants, are one measurement
        low, high = wilson(value, n)
    return Estimate("measured", value, max(0.0, low), min(1.0, high), len(values), n)


class Curve:
    """What is known of one learngene's sizes from measurements by one metric on one data set.

    params: number of parameters at any of its sizes. alone: sizes that count at themselves and nowhere between.
    """

    def __init__(
        self, entries: Iterable[Quality], *, params: Callable[[Size], int], alone: frozenset[Size] = frozenset()
    ) -> None:
        by_size: dict[Size, list[Quality]] = {}
        for entry in entries:
            by_size.setdefault(Size(entry.depth, entry.width), []).append(entry)
        self.points = {size: measured(by_size[size]) for size in sorted(by_size)}
        self._params = params
        self._columns: dict[int, list[int]] = {}
        for size in sorted(self.points.keys() - alone, key=lambda size: (size.width, size.depth)):
            self._columns.setdefault(size.width, []).append(size.depth)

    @property
    def depths(self) -> range:
        """From the least measured depth to the greatest: outside, everything is unknown."""
        depths = [size.depth for size in self.points]
        return range(min(depths), max(depths) + 1) if depths else range(0)

    def at(self, size: Size) -> Estimate:
        """Linear in depth between measured depths of the same width, else linear in log parameters between widths.

        Between widths the two nearest that know this depth count. Never beyond what was measured: that is unknown.
        """
        same = self.points.get(size) or self._along(size.width, size.depth)
        if same is not UNKNOWN:
            return same
        known = [width for width in self._columns if self._along(width, size.depth) is not UNKNOWN]
        index = bisect_left(known, size.width)
        if not 0 < index < len(known):
            return UNKNOWN
        ends = [self._along(width, size.depth) for width in known[index - 1 : index + 1]]
        low, here, high = (
            math.log(self._params(Size(size.depth, width))) for width in (known[index - 1], size.width, known[index])
        )
        around = [
            end.between or (Size(size.depth, width),)
            for end, width in zip(ends, known[index - 1 : index + 1], strict=True)
        ]
        return _between(*ends, share=(here - low) / (high - low), sizes=(*around[0], *around[1]))

    def _along(self, width: int, depth: int) -> Estimate:
        """At a measured width."""
        depths = self._columns.get(width, [])
        index = bisect_left(depths, depth)
        if index < len(depths) and depths[index] == depth:
            return self.points[Size(depth, width)]
        if not 0 < index < len(depths):
            return UNKNOWN
        first, last = Size(depths[index - 1], width), Size(depths[index], width)
        share = (depth - first.depth) / (last.depth - first.depth)
        return _between(self.points[first], self.points[last], share=share, sizes=(first, last))


def ranked_by(quality: Sequence[Quality], dataset: str | None, epochs_after: int) -> tuple[Ranked, list[str]]:
    """Data set and split whose accuracies rank, and what has to be said of that."""
    accuracies = [q for q in quality if q.metric == TOP1]
    if dataset is not None and dataset not in {q.dataset for q in accuracies}:
        raise UnknownName("data set", dataset, {q.dataset for q in accuracies})
    if not accuracies:
        return (None, None), ["nobody measured the accuracy of these learngenes: the largest that fit come first"]
    named = [q for q in accuracies if dataset in (None, q.dataset)]
    counts = Counter((q.dataset, q.split) for q in named if q.epochs_after == epochs_after)
    if not counts:
        others = ", ".join(str(epochs) for epochs in sorted({q.epochs_after for q in named}))
        on = "" if dataset is None else f" on {dataset}"
        note = f"nobody measured accuracy{on} {epochs_after} epochs after initialization, only after {others}"
        return (None, None), [f"{note}: the largest that fit come first"]
    best = min(counts, key=lambda key: (-counts[key], key))
    others = ", ".join(f"{name} {split}" for name, split in sorted(counts) if (name, split) != best)
    return best, [f"ranked by {best[0]} {best[1]}; also measured: {others}"] if others else []


def _between(first: Estimate, last: Estimate, *, share: float, sizes: tuple[Size, ...]) -> Estimate:
    """`share` of the way from first to last."""

    def mixed(one: float | None, other: float | None) -> float | None:
        if one is None or other is None:
            return None
        # Both ends exactly, and rounding never leads past them.
        return min(max(one + share * (other - one), min(one, other)), max(one, other))

    return Estimate(
        "interpolated",
        mixed(first.value, last.value),
        mixed(first.low, last.low),
        mixed(first.high, last.high),
        min(first.seeds, last.seeds),
        min(first.n, last.n),
        sizes,
    )

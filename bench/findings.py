"""What a measurement says: numbers with their spread, a goal beside them, and how to read them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Goal:
    """At least or at most a limit."""

    sign: Literal[">=", "<="]
    limit: float

    def met(self, value: float) -> bool:
        """Whether a value is on the right side."""
        return value >= self.limit if self.sign == ">=" else value <= self.limit


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table. quartiles: of the paired ratios, or None where there is one value alone.

    unit: "x" for a ratio, else MB, ms or cores; samples: how many pairs or values it is made of.
    note: the absolute figures, in the order of the ratio, to read it by.
    """

    what: str
    value: float
    unit: Literal["x", "MB", "ms", "s", "cores", "files"]
    samples: int
    quartiles: tuple[float, float] | None = None
    goal: Goal | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """What is to be said of the goal."""
        if self.goal is None:
            return ""
        return "met" if self.goal.met(self.value) else "NOT met"

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "what": self.what,
            "value": self.value,
            "unit": self.unit,
            "quartiles": self.quartiles,
            "samples": self.samples,
            "goal": f"{self.goal.sign} {self.goal.limit:g}" if self.goal else None,
            "met": self.goal.met(self.value) if self.goal else None,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Section:
    """Findings of one kind and how they were measured."""

    title: str
    method: str
    findings: tuple[Finding, ...]


QUIET_CORES = 0.25
FAR = 1.6
ENOUGH_PAIRS = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """Two adjacent samples.

    ratio: of one to the other; foreign_cores: what other processes used meanwhile; distance: nanoseconds between the
    cores, 0 or infinite if not known.
    """

    ratio: float
    foreign_cores: float
    distance: float = 0.0

    def clean(self, near: float) -> bool:
        """Nobody else used much, and the cores were not further apart than they can be; near: their least distance."""
        return self.foreign_cores <= QUIET_CORES and not near * FAR < self.distance < float("inf")


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median and quartiles of paired ratios.

    dropped: pairs left out because they were not clean; unclean: pairs counted although they were not, because too
    few clean ones were left.
    """

    median: float
    quartiles: tuple[float, float]
    pairs: int
    dropped: int
    unclean: int

    def said(self) -> str:
        """How many pairs were not as they should be; empty if all were."""
        if self.unclean:
            return f"{self.unclean} of {self.pairs} pairs unclean"
        return f"{self.dropped} unclean pairs dropped" if self.dropped else ""


def combine(pairs: Sequence[Pair], *, near: float = 0.0) -> Ratio:
    """The clean pairs' ratio, or that of all if fewer than `ENOUGH_PAIRS` are clean."""
    clean = [pair for pair in pairs if pair.clean(near)]
    kept = clean if len(clean) >= min(ENOUGH_PAIRS, len(pairs)) else list(pairs)
    ratios = [pair.ratio for pair in kept]
    return Ratio(
        median=statistics.median(ratios),
        quartiles=(quantile(ratios, 0.25), quantile(ratios, 0.75)),
        pairs=len(kept),
        dropped=len(pairs) - len(kept),
        unclean=sum(not pair.clean(near) for pair in kept),
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies, between neighbours linearly."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def spread(seconds: Sequence[float]) -> str:
    """p50/p99 in milliseconds, and of how many."""
    return f"{quantile(seconds, 0.5) * 1e3:.2f}/{quantile(seconds, 0.99) * 1e3:.2f} ms (n={len(seconds)})"

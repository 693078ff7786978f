"""The kinds of claims, each judged from the measurements.

Same, Chance, Sooner and Smaller compare what was counted; they know no confidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf
from statistics import fmean, median_low
from typing import ClassVar, Literal

from experiments import compared
from experiments.results import Results
from experiments.statistics import Mean, difference

HOLDS, WEAKER, NOT, UNMEASURED = "holds", "holds weaker", "does not hold", "not measured"


@dataclass(frozen=True, slots=True)
class Judged:
    """here: what was measured; weak: what weakens it; undecided: the seeds can't tell it from none, or the limit."""

    verdict: str
    here: str
    weak: str = ""
    undecided: bool = False


def _positive(by: Mean, here: str, weak: list[str]) -> Judged:
    """Of a difference that is claimed to be above zero. weak: what weakens it beside its interval."""
    reverse = by.lies_below(0.0)
    if not by.sure:
        weak = [*weak, f"surely the other way: {compared.unsure(by)}" if reverse else compared.unsure(by)]
    verdict = NOT if by.value <= 0 else WEAKER if weak else HOLDS
    return Judged(verdict, here, "; ".join(weak), undecided=not by.sure and not reverse)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    id: str
    says: str
    paper: str = "not published"
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Above(_Named):
    """row is above than, at the same sizes; rows of one cell each are compared whatever their sizes.

    depths: those compared, all that both have when empty; epochs: of tuning, the last of each when -1.
    """

    kind: ClassVar[str] = "above"
    row: str
    than: str
    depths: tuple[int, ...] = ()
    epochs: int = -1

    def judge(self, results: Results) -> Judged:
        """By the mean over the sizes, and at each."""
        better, worse = compared.matched(results, self.row, self.than, self.depths, self.epochs)
        by = difference([cell.top1 for cell in better], [cell.top1 for cell in worse])
        lost = [b for b, w in zip(better, worse, strict=True) if compared.mean(b) <= compared.mean(w)]
        ends = [0] if len(better) == 1 else [0, -1]
        where = [f" at {compared.size(cell, better)}" if len(better) > 1 else "" for cell in better]
        here = "; ".join(f"{compared.mean(better[i]):.1f} to {compared.mean(worse[i]):.1f}{where[i]}" for i in ends)
        weak = [] if not lost else [f"not at {', '.join(compared.size(cell, better) for cell in lost)}"]
        return _positive(by, f"{here}; by {by} points", weak)


@dataclass(frozen=True, slots=True, kw_only=True)
class Same(_Named):
    """Two rows are one and the same network at these depths: every seed gives one number."""

    kind: ClassVar[str] = "same"
    row: str
    than: str
    depths: tuple[int, ...]

    def judge(self, results: Results) -> Judged:
        """Exactly, seed by seed."""
        one, other = compared.matched(results, self.row, self.than, self.depths, -1)
        differ = [str(a.depth) for a, b in zip(one, other, strict=True) if a.top1 != b.top1]
        here = f"equal to the last image at {', '.join(map(str, self.depths))}"
        return Judged(NOT, f"differ at {', '.join(differ)}") if differ else Judged(HOLDS, here)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend(_Named):
    """A row rises or falls as depth grows."""

    kind: ClassVar[str] = "trend"
    row: str
    direction: Literal["up", "down"]
    depths: tuple[int, ...] = ()

    def judge(self, results: Results) -> Judged:
        """From the first to the last depth, and at each step."""
        cells = compared.of(results, self.row, self.depths, -1)
        first, last = cells[0], cells[-1]
        up = self.direction == "up"
        by = difference([last.top1 if up else first.top1], [first.top1 if up else last.top1])
        sign = 1 if up else -1
        against = [str(b.depth) for a, b in pairwise(cells) if sign * (compared.mean(b) - compared.mean(a)) < 0]
        weak = [f"{'falls' if up else 'rises'} at {', '.join(against)}"] if against else []
        here = f"{compared.mean(first):.1f} at {first.depth}, {compared.mean(last):.1f} at {last.depth}"
        return _positive(by, here, weak)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak(_Named):
    """A row is highest at a depth of least to most, above every depth beyond these, and lower at the last."""

    kind: ClassVar[str] = "peak"
    row: str
    least: int
    most: int

    def judge(self, results: Results) -> Judged:
        """By the means."""
        cells = compared.of(results, self.row, (), -1)
        top = max(cells, key=compared.mean)
        here = f"{compared.mean(top):.1f} at {top.depth}, {compared.mean(cells[-1]):.1f} at {cells[-1].depth}"
        if not self.least <= top.depth <= self.most or top is cells[-1]:
            return Judged(NOT, here, f"peaks at {top.depth}")
        lower = [cell for cell in cells if cell is cells[-1] or not self.least <= cell.depth <= self.most]
        level = [str(cell.depth) for cell in lower if not difference([top.top1], [cell.top1]).sure]
        weak = f"not surely above {', '.join(level)}" if level else ""
        return Judged(WEAKER if level else HOLDS, here, weak, undecided=bool(level))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(_Named):
    """The distance from row down to than grows from one depth to another."""

    kind: ClassVar[str] = "gap"
    row: str
    than: str
    first: int
    last: int

    def judge(self, results: Results) -> Judged:
        """Paired by seed."""
        gaps = []
        for depth in (self.first, self.last):
            (one,), (other,) = compared.matched(results, self.row, self.than, (depth,), -1)
            gaps.append({seed: one.top1[seed] - other.top1[seed] for seed in one.top1 if seed in other.top1})
        by = difference([gaps[1]], [gaps[0]])
        here = (
            f"{100 * fmean(gaps[0].values()):.1f} at {self.first}, {100 * fmean(gaps[1].values()):.1f} at {self.last}"
        )
        return _positive(by, here, [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance(_Named):
    """A row is nowhere above `most` percent, near what guessing gives."""

    kind: ClassVar[str] = "chance"
    row: str
    most: float

    def judge(self, results: Results) -> Judged:
        """By the means."""
        top = max(map(compared.mean, compared.of(results, self.row, (), -1)))
        return Judged(HOLDS if top <= self.most else NOT, f"up to {top:.1f}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Near(_Named):
    """Two rows are within so many points of each other at every size; `loses`: row loses no more, and may gain."""

    kind: ClassVar[str] = "near"
    row: str
    than: str
    within: float
    loses: bool = False
    depths: tuple[int, ...] = ()
    epochs: int = -1

    def judge(self, results: Results) -> Judged:
        """At each size, and by the interval of the mean over the sizes."""
        one, other = compared.matched(results, self.row, self.than, self.depths, self.epochs)
        by = difference([cell.top1 for cell in one], [cell.top1 for cell in other])
        apart = [compared.mean(a) - compared.mean(b) for a, b in zip(one, other, strict=True)]
        far = [d < -self.within or (d > self.within and not self.loses) for d in apart]
        here = f"{compared.mean(one[0]):.1f} and {compared.mean(other[0]):.1f}; {max(apart, key=abs):+.1f} at most"
        if any(far):
            where = f"not at {', '.join(compared.size(cell, one) for cell, too in zip(one, far, strict=True) if too)}"
            surely = any(self._beyond(difference([a.top1], [b.top1])) for a, b in zip(one, other, strict=True))
            return Judged(NOT, here, where if surely else f"{where}; {compared.unsure(by)}", undecided=not surely)
        sure = by.lies_above(-self.within) and (self.loses or by.lies_below(self.within))
        return Judged(HOLDS, here) if sure else Judged(WEAKER, here, compared.unsure(by), undecided=True)

    def _beyond(self, by: Mean) -> bool:
        """Whether a difference is surely more than claimed."""
        return by.lies_below(-self.within) or (by.lies_above(self.within) and not self.loses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sooner(_Named):
    """Row reaches in fewer epochs what than has after its last: `times` fewer, at every size both have.

    Epochs count those of tuning alone. A pair of which row is there untuned counts as infinitely many times, where
    untuned was measured; one of which it never gets there as 0 times.
    """

    kind: ClassVar[str] = "sooner"
    row: str
    than: str
    times: float

    def judge(self, results: Results) -> Judged:
        """By the smallest ratio over sizes and seeds, and the median, the lower one of an even number."""
        untuned = compared.untuned(results, self.row)
        ratios = []
        for fast, slow in zip(*compared.matched(results, self.row, self.than, (), -1), strict=True):
            start = untuned.get((fast.depth, fast.width), {})
            for seed in fast.curves.keys() & slow.curves.keys():
                goal, epochs = slow.curves[seed][-1], len(slow.curves[seed])
                reached = next((i for i, v in enumerate(fast.curves[seed], 1) if v >= goal), None)
                tuned = 0.0 if reached is None else epochs / reached
                ratios.append(inf if start.get(seed, -1.0) >= goal else tuned)
        middle, least, never, at_once = median_low(ratios), min(ratios), ratios.count(0.0), ratios.count(inf)
        said = {0.0: "never gets there", inf: "is there untuned"}.get(middle, f"is {middle:.1f} times sooner")
        here = f"{at_once} of {len(ratios)} pairs are there untuned" if at_once else f"of {len(ratios)} pairs"
        here += "" if least == inf else f"{', ' if at_once else ' '}the median {said}"
        here += f", the least {least:.1f}" if 0 < least < inf else ""
        weak = f"{never} of {len(ratios)} never got there" if never else ""
        if not weak and least < self.times:
            weak = f"less than {self.times:g} times in some"
        return Judged(NOT if middle < self.times else WEAKER if weak else HOLDS, here, weak)


@dataclass(frozen=True, slots=True, kw_only=True)
class Smaller(_Named):
    """A learngene stores fewer values than others together."""

    kind: ClassVar[str] = "smaller"
    learngene: str
    than: tuple[str, ...]

    def judge(self, results: Results) -> Judged:
        """They store the same for every seed."""
        own, *others = (compared.stored(results, name) for name in (self.learngene, *self.than))
        here = f"{own:,} to {sum(others):,}: {sum(others) / own:.1f} times"
        return Judged(HOLDS if own < sum(others) else NOT, here)

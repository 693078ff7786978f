"""What a paper claims and whether it holds here: every verdict is computed from the measurements.

`holds`: the difference points that way at every size compared, and over the seeds it is above zero with 95 %
confidence (paired). `holds weaker`: it points that way on the whole, but not at every size, or not surely.
`does not hold`: it does not point that way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any, ClassVar, Literal, Protocol

from experiments.results import Cell, Results
from experiments.statistics import Mean, difference
from learngenes import config
from learngenes.errors import UnknownName

HOLDS, WEAKER, NOT = "holds", "holds weaker", "does not hold"


@dataclass(frozen=True, slots=True)
class Verdict:
    """says: the claim; here, paper: what was measured; why: what weakens it, or what explains it."""

    id: str
    says: str
    verdict: str
    here: str
    paper: str
    why: str


class Claim(Protocol):
    """One sentence that measurements can refute. because: our explanation, where there is one."""

    id: str
    says: str
    paper: str
    because: str

    def judge(self, results: Results) -> tuple[str, str, str]:
        """Verdict, what was measured, what weakens it."""


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

    def judge(self, results: Results) -> tuple[str, str, str]:
        """By the mean over the sizes, and at each."""
        better, worse = _matched(results, self.row, self.than, self.depths, self.epochs)
        by = difference([cell.top1 for cell in better], [cell.top1 for cell in worse])
        lost = [b for b, w in zip(better, worse, strict=True) if _mean(b) <= _mean(w)]
        ends = [0] if len(better) == 1 else [0, -1]
        where = [f" at {_size(cell, better)}" if len(better) > 1 else "" for cell in better]
        here = "; ".join(f"{_mean(better[i]):.1f} to {_mean(worse[i]):.1f}{where[i]}" for i in ends)
        weak = [] if not lost else [f"not at {', '.join(_size(cell, better) for cell in lost)}"]
        weak += [] if by.sure else [_unsure(by)]
        verdict = NOT if by.value <= 0 else WEAKER if weak else HOLDS
        return verdict, f"{here}; by {by} points", "; ".join(weak)


@dataclass(frozen=True, slots=True, kw_only=True)
class Same(_Named):
    """Two rows are one and the same network at these depths: every seed gives one number."""

    kind: ClassVar[str] = "same"
    row: str
    than: str
    depths: tuple[int, ...]

    def judge(self, results: Results) -> tuple[str, str, str]:
        """Exactly, seed by seed."""
        one, other = _matched(results, self.row, self.than, self.depths, -1)
        differ = [str(a.depth) for a, b in zip(one, other, strict=True) if a.top1 != b.top1]
        here = f"equal to the last image at {', '.join(map(str, self.depths))}"
        return (NOT, f"differ at {', '.join(differ)}", "") if differ else (HOLDS, here, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend(_Named):
    """A row rises or falls as depth grows."""

    kind: ClassVar[str] = "trend"
    row: str
    direction: Literal["up", "down"]
    depths: tuple[int, ...] = ()

    def judge(self, results: Results) -> tuple[str, str, str]:
        """From the first to the last depth, and at each step."""
        cells = _of(results, self.row, self.depths, -1)
        first, last = cells[0], cells[-1]
        up = self.direction == "up"
        by = difference([last.top1 if up else first.top1], [first.top1 if up else last.top1])
        sign = 1 if up else -1
        against = [str(b.depth) for a, b in pairwise(cells) if sign * (_mean(b) - _mean(a)) < 0]
        weak = [f"{'falls' if up else 'rises'} at {', '.join(against)}"] if against else []
        weak += [] if by.sure else [_unsure(by)]
        verdict = NOT if by.value <= 0 else WEAKER if weak else HOLDS
        return verdict, f"{_mean(first):.1f} at {first.depth}, {_mean(last):.1f} at {last.depth}", "; ".join(weak)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak(_Named):
    """A row is highest at a depth of least to most, and lower at the last."""

    kind: ClassVar[str] = "peak"
    row: str
    least: int
    most: int

    def judge(self, results: Results) -> tuple[str, str, str]:
        """By the means."""
        cells = _of(results, self.row, (), -1)
        top = max(cells, key=_mean)
        sag = difference([top.top1], [cells[-1].top1])
        here = f"{_mean(top):.1f} at {top.depth}, {_mean(cells[-1]):.1f} at {cells[-1].depth}"
        if not self.least <= top.depth <= self.most:
            return NOT, here, f"peaks at {top.depth}"
        return (HOLDS, here, "") if sag.sure else (WEAKER, here, _unsure(sag))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(_Named):
    """The distance from row down to than grows from one depth to another."""

    kind: ClassVar[str] = "gap"
    row: str
    than: str
    first: int
    last: int

    def judge(self, results: Results) -> tuple[str, str, str]:
        """Paired by seed."""
        gaps = []
        for depth in (self.first, self.last):
            (one,), (other,) = _matched(results, self.row, self.than, (depth,), -1)
            gaps.append({seed: one.top1[seed] - other.top1[seed] for seed in one.top1 if seed in other.top1})
        by = difference([gaps[1]], [gaps[0]])
        here = (
            f"{100 * fmean(gaps[0].values()):.1f} at {self.first}, {100 * fmean(gaps[1].values()):.1f} at {self.last}"
        )
        return NOT if by.value <= 0 else HOLDS if by.sure else WEAKER, here, "" if by.sure else _unsure(by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance(_Named):
    """A row is nowhere above `most` percent, near what guessing gives."""

    kind: ClassVar[str] = "chance"
    row: str
    most: float

    def judge(self, results: Results) -> tuple[str, str, str]:
        """By the means."""
        top = max(map(_mean, results.row(self.row)))
        return HOLDS if top <= self.most else NOT, f"up to {top:.1f}", ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Near(_Named):
    """Two rows are within so many points of each other at every size."""

    kind: ClassVar[str] = "near"
    row: str
    than: str
    within: float
    depths: tuple[int, ...] = ()
    epochs: int = -1

    def judge(self, results: Results) -> tuple[str, str, str]:
        """By the means."""
        one, other = _matched(results, self.row, self.than, self.depths, self.epochs)
        most = max(abs(_mean(a) - _mean(b)) for a, b in zip(one, other, strict=True))
        here = f"{_mean(one[0]):.1f} and {_mean(other[0]):.1f}; at most {most:.1f} apart"
        return HOLDS if most <= self.within else NOT, here, ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sooner(_Named):
    """Row reaches in fewer epochs what than has after its last: `times` fewer, at every size both have.

    Epochs count those of tuning alone. A row that never gets there has its own number of epochs, and fails.
    """

    kind: ClassVar[str] = "sooner"
    row: str
    than: str
    times: float

    def judge(self, results: Results) -> tuple[str, str, str]:
        """The smallest and the middle ratio over sizes and seeds."""
        ratios, never = [], 0
        for fast, slow in zip(*_matched(results, self.row, self.than, (), -1), strict=True):
            for seed in fast.curves.keys() & slow.curves.keys():
                goal = slow.curves[seed][-1]
                reached = next((i + 1 for i, v in enumerate(fast.curves[seed]) if v >= goal), None)
                never += reached is None
                ratios.append(0.0 if reached is None else len(slow.curves[seed]) / reached)
        ratios.sort()
        middle = ratios[len(ratios) // 2]
        here = f"{middle:.1f} times in the middle, {ratios[0]:.1f} at least, of {len(ratios)} pairs"
        weak = f"{never} of {len(ratios)} never got there" if never else ""
        if not weak and ratios[0] < self.times:
            weak = f"less than {self.times:g} times in some"
        return NOT if middle <= 1 else WEAKER if weak else HOLDS, here, weak


CLAIMS: dict[str, type[Any]] = {claim.kind: claim for claim in (Above, Same, Trend, Peak, Gap, Chance, Near, Sooner)}


def parse(table: dict[str, Any]) -> Claim:
    """A claim as a TOML table declares it, by its `kind`."""
    kind = table.get("kind", "")
    if kind not in CLAIMS:
        raise UnknownName("kind of claim", kind, CLAIMS)
    rest = {key: value for key, value in table.items() if key != "kind"}
    claim: Claim = config.parse(rest, CLAIMS[kind], where=f"claim {table.get('says', '')!r}")
    return claim


def verdict(claim: Claim, results: Results) -> Verdict:
    """Whether a claim holds."""
    found, here, weak = claim.judge(results)
    why = "; ".join(part for part in (weak, claim.because) if part)
    return Verdict(claim.id, claim.says, found, here, claim.paper, why)


def _of(results: Results, row: str, depths: Sequence[int], epochs: int) -> list[Cell]:
    """The cells of a row: at these depths, after the last epochs it has or so many."""
    cells = results.row(row)
    last = max(cell.epochs for cell in cells) if epochs < 0 else epochs
    return [cell for cell in cells if cell.epochs == last and (not depths or cell.depth in depths)]


def _matched(
    results: Results, row: str, than: str, depths: Sequence[int], epochs: int
) -> tuple[list[Cell], list[Cell]]:
    """The cells of two rows at the sizes both have; of rows of one cell each, those."""
    one, other = _of(results, row, depths, epochs), _of(results, than, depths, epochs)
    if len(one) == len(other) == 1:
        return one, other
    sizes = {(cell.depth, cell.width): cell for cell in other}
    both = [cell for cell in one if (cell.depth, cell.width) in sizes]
    assert both, f"{row!r} and {than!r} share no size"
    return both, [sizes[cell.depth, cell.width] for cell in both]


def _mean(cell: Cell) -> float:
    return 100 * fmean(cell.top1.values())


def _size(cell: Cell, among: Sequence[Cell]) -> str:
    one_width = len({other.width for other in among}) == 1
    return str(cell.depth) if one_width else f"{cell.depth}x{cell.width}"


def _unsure(by: Mean) -> str:
    return "one seed" if by.interval is None else f"95 % interval {by.interval[0]:+.1f} to {by.interval[1]:+.1f}"

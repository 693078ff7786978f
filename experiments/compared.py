"""What claims compare: cells of two rows at the same sizes with the same seeds, and how that is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from experiments.results import Cell, Results
from experiments.statistics import Mean

UNSURE = "95 % interval"
"""What a reason holds that says: the seeds can't tell."""

REVERSED = "surely the other way"
"""Instead of that: they can tell, and it is not what was claimed."""


class NotMeasured(Exception):
    """A claim about what is not there; says what is missing."""


def of(results: Results, row: str, depths: Sequence[int], epochs: int) -> list[Cell]:
    """The cells of a row: at these depths, every one of them, after the last epochs it has or so many."""
    cells = [cell for cell in results.cells if cell.row == row]
    last = max((cell.epochs for cell in cells), default=0) if epochs < 0 else epochs
    found = [cell for cell in cells if cell.epochs == last and (not depths or cell.depth in depths)]
    lacking = [str(depth) for depth in depths if depth not in {cell.depth for cell in found}]
    if not found or lacking:
        raise NotMeasured(f"{row} is not there" + (f" at {', '.join(lacking)}" if lacking else ""))
    return found


def matched(results: Results, row: str, than: str, depths: Sequence[int], epochs: int) -> tuple[list[Cell], list[Cell]]:
    """The cells of two rows at the sizes both have, with the seeds that all have; of rows of one cell each, those."""
    one, other = of(results, row, depths, epochs), of(results, than, depths, epochs)
    if not len(one) == len(other) == 1:
        sizes = {(cell.depth, cell.width): cell for cell in other}
        one = [cell for cell in one if (cell.depth, cell.width) in sizes]
        other = [sizes[cell.depth, cell.width] for cell in one]
    seeds = set.intersection(*(set(cell.top1) for cell in (*one, *other))) if one else set()
    if not seeds:
        raise NotMeasured(f"{row} and {than} share no size and seed")
    return [_only(cell, seeds) for cell in one], [_only(cell, seeds) for cell in other]


def _only(cell: Cell, seeds: set[str]) -> Cell:
    return replace(
        cell,
        top1={seed: value for seed, value in cell.top1.items() if seed in seeds},
        curves={seed: curve for seed, curve in cell.curves.items() if seed in seeds},
    )


def stored(results: Results, name: str) -> int:
    """Values that a learngene stores, the same for every seed."""
    found = [one["stored"] for one in results.learned.get(name, {}).values() if "stored" in one]
    if not found:
        raise NotMeasured(f"{name} is not there")
    return int(found[0])


def mean(cell: Cell) -> float:
    """Over the seeds, in percent."""
    return 100 * fmean(cell.top1.values())


def size(cell: Cell, among: Sequence[Cell]) -> str:
    """The depth, with the width where several are compared."""
    one_width = len({other.width for other in among}) == 1
    return str(cell.depth) if one_width else f"{cell.depth}x{cell.width}"


def unsure(by: Mean) -> str:
    """Why a difference is not surely above: its interval, and what each seed says."""
    if by.interval is None:
        return "one seed"
    each = ", ".join(f"{value:+.1f}" for value in by.each)
    reversed = f"{REVERSED}: " if by.lies_below(0.0) else ""
    return f"{reversed}{UNSURE} {by.interval[0]:+.1f} to {by.interval[1]:+.1f}, by seed {each}"

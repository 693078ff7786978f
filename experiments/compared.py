"""What claims compare: cells of two rows at the same sizes with the same seeds, and how that is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from experiments.results import Cell, Results
from experiments.statistics import BySeed, Mean


class NotMeasured(Exception):
    """A claim about what is not there; says what is missing."""


def of(results: Results, row: str, depths: Sequence[int], epochs: int) -> list[Cell]:
    """The cells of a row, as whole as declared: at these depths or all, after the last epochs declared or so many."""
    cells, absent = results.row(row), [one for one in results.missing if one.row == row]
    declared = [cell.epochs for cell in cells] + [one.epochs for one in absent]
    last = max(declared, default=0) if epochs < 0 else epochs
    found = [cell for cell in cells if cell.epochs == last and (not depths or cell.depth in depths)]
    lacking = [one for one in absent if one.epochs == last and (not depths or one.depth in depths)]
    there = {cell.depth for cell in found}
    if not found:
        raise NotMeasured(f"{row} is not there")
    if gone := sorted({one.depth for one in lacking} | set(depths) - there):
        what = "whole" if there.intersection(gone) else "there"
        raise NotMeasured(f"{row} is not {what} at {', '.join(map(str, gone))}")
    return found


def untuned(results: Results, row: str) -> dict[tuple[int, int], BySeed]:
    """Before any tuning, by depth and width; nothing of a row that declares no such measurement."""
    absent = [one for one in results.missing if one.row == row and one.epochs == 0]
    if not absent and all(cell.epochs for cell in results.row(row)):
        return {}
    return {(cell.depth, cell.width): cell.top1 for cell in of(results, row, (), 0)}


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
    """Why a difference is not sure: its interval, and what each seed says."""
    if by.interval is None:
        return "one seed"
    each = ", ".join(f"{value:+z.1f}" for value in by.each)
    return f"95 % interval {by.interval[0]:+z.1f} to {by.interval[1]:+z.1f}, by seed {each}"

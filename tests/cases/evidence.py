"""Results of tables that nobody measured, and what is claimed of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from experiments import claims
from experiments.results import Absent, Cell, Results
from experiments.tasks import Measure


def results(**rows: dict[int, list[float]]) -> Results:
    """Accuracies in percent by row and depth, a value for each seed."""
    cells = [
        Cell(row.replace("_", " "), depth, 96, 0, 1000, 100, {str(s): v / 100 for s, v in enumerate(values)}, {})
        for row, by_depth in rows.items()
        for depth, values in by_depth.items()
    ]
    return Results("made", tuple(cells), {}, 1.0, ("c",), ("h",), ("v",), "command")


def made(planned: Sequence[Measure], there: Callable[[Measure], bool]) -> Results:
    """Results of what is there of what was planned; values differ by row, depth and tuning."""
    cells: dict[tuple[str, int, int, int], Cell] = {}
    absent = []
    for n, task in enumerate(planned):
        key = (task.row.name, task.depth, task.width, task.epochs)
        if not there(task):
            absent.append(Absent(*key, str(task.seed)))
            continue
        made = cells.setdefault(key, Cell(*key, 1, 100, {}, {}))
        made.top1[str(task.seed)] = (37 * n % 101) / 101
        if task.epochs:
            made.curves[str(task.seed)] = [made.top1[str(task.seed)]] * task.epochs
    return replace(results(), cells=tuple(cells.values()), missing=tuple(absent))


def judged(found: Results, **claim: Any) -> claims.Verdict:
    return claims.verdict(claims.parse({"id": "O1", "says": "so", **claim}), found)

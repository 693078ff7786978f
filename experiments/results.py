"""What a table's tasks found, as the JSON that its page is made of: one cell per row and size, one value per seed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments import tasks
from experiments.grid import Table
from experiments.runner import Run
from experiments.tasks import Measure
from learngenes.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class Cell:
    """Top-1 (0..1) of one descendant by seed. curves: after every epoch of tuning, by seed; empty when untuned.

    params: of the descendant.
    """

    row: str
    depth: int
    width: int
    epochs: int
    params: int
    n: int
    top1: dict[str, float]
    curves: dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Results:
    """Everything of a page. learned: accuracy, seconds, steps and stored values of every learngene and seed.

    seconds: of all tasks, one worker each; command: that makes the table from nothing; missing: what was not measured.
    """

    name: str
    cells: tuple[Cell, ...]
    learned: dict[str, dict[str, dict[str, Any]]]
    seconds: float
    commits: tuple[str, ...]
    hardware: tuple[str, ...]
    versions: tuple[str, ...]
    command: str
    missing: tuple[str, ...]

    def row(self, name: str) -> list[Cell]:
        """The cells of a row in the order they were declared, none of a row that nothing was measured of."""
        return [cell for cell in self.cells if cell.row == name]

    @property
    def rows(self) -> list[str]:
        """Names, in the order they were declared."""
        return list(dict.fromkeys(cell.row for cell in self.cells))

    @property
    def seeds(self) -> list[str]:
        """Those of which anything was measured."""
        return sorted({seed for cell in self.cells for seed in cell.top1}, key=int)


def collect(table: Table, run: Run) -> Results:
    """The results of a table as far as the run directory has them."""
    wanted = list(tasks.measures(table))
    made: dict[tuple[str, int, int, int], list[tuple[Measure, dict[str, Any]]]] = {}
    missing = []
    for task in wanted:
        outcome = run.outcome(task)
        if outcome is None:
            missing.append(f"{task.name}, seed {task.seed}")
        else:
            made.setdefault((task.row.name, task.depth, task.width, task.epochs), []).append((task, outcome))
    every = [outcome for task in tasks.with_needs(iter(wanted)) if (outcome := run.outcome(task)) is not None]
    measured = [outcome for found in made.values() for _, outcome in found]
    return Results(
        name=table.name,
        cells=tuple(_cell(key, found) for key, found in made.items()),
        learned=_learned(table, run),
        # A training that was interrupted says itself how long it took in all.
        seconds=round(sum(max(o["took"], o.get("record", {}).get("seconds", 0.0)) for o in every), 1),
        commits=_distinct(outcome["commit"] for outcome in every),
        hardware=_distinct(outcome["hardware"] for outcome in measured),
        versions=_distinct(", ".join(f"{k} {v}" for k, v in outcome["versions"].items()) for outcome in measured),
        command=f"python -m experiments run {table.name} --data {run.data.name}",
        missing=tuple(missing),
    )


def _cell(key: tuple[str, int, int, int], found: list[tuple[Measure, dict[str, Any]]]) -> Cell:
    row, depth, width, epochs = key
    _, first = found[0]
    return Cell(
        row=row,
        depth=depth,
        width=width,
        epochs=epochs,
        params=first["params"],
        n=first["n"],
        top1={str(task.seed): outcome["value"] for task, outcome in found},
        curves={str(task.seed): outcome["curve"] for task, outcome in found if outcome["curve"]},
    )


def _learned(table: Table, run: Run) -> dict[str, dict[str, dict[str, Any]]]:
    made: dict[str, dict[str, dict[str, Any]]] = {}
    for task in tasks.with_needs(tasks.measures(table)):
        if not isinstance(task, Measure) and (outcome := run.outcome(task)) is not None:
            record = outcome["record"]
            shown = {key: record[key] for key in ("accuracy", "seconds", "steps", "stored") if key in record}
            made.setdefault(task.name, {})[str(task.seed)] = shown
    return made


def write(results: Results, path: Path) -> None:
    """As JSON: a line per cell."""
    table = asdict(results)
    cells = ",\n".join(f"  {json.dumps(cell)}" for cell in table.pop("cells"))
    learned = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in table.pop("learned").items())
    rest = "".join(f" {json.dumps(k)}: {json.dumps(v)},\n" for k, v in table.items())
    path.write_text(f'{{\n{rest} "learned": {{\n{learned}\n }},\n "cells": [\n{cells}\n ]\n}}\n', "utf-8")


def read(path: Path) -> Results:
    """Inverse of write; InvalidValue for JSON of another version."""
    table = json.loads(path.read_text("utf-8"))
    try:
        lists = {key: tuple(table[key]) for key in ("commits", "hardware", "versions", "missing")}
        return Results(**table | lists | {"cells": tuple(Cell(**cell) for cell in table["cells"])})
    except (TypeError, KeyError) as error:
        raise InvalidValue(f"{path} is not as this version writes it ({error}); delete it, and run its table") from None


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(texts)))

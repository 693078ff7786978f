"""What a table's tasks found, as the JSON that its page is made of: one cell per row and size, one value per seed.

Every accuracy of a descendant has the digest of what was asked, so that none stands on the page of another
declaration.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
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

    params: of the descendant; digests: of the tasks that measured it, by seed.
    """

    row: str
    depth: int
    width: int
    epochs: int
    params: int
    n: int
    top1: dict[str, float]
    curves: dict[str, list[float]]
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def at(self) -> tuple[int, int, int]:
        """Depth, width and epochs."""
        return self.depth, self.width, self.epochs


@dataclass(frozen=True, slots=True)
class Absent:
    """A measurement that is declared and not there."""

    row: str
    depth: int
    width: int
    epochs: int
    seed: str

    @property
    def at(self) -> tuple[int, int, int]:
        """Depth, width and epochs."""
        return self.depth, self.width, self.epochs

    def __str__(self) -> str:
        return f"{self.row} {self.depth}x{self.width}{f' +{self.epochs}' if self.epochs else ''}, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Results:
    """Everything of a page. learned: accuracy, seconds, steps and stored values of every learngene and seed.

    seconds: of all tasks, one worker each; command: that makes the table from nothing; missing: what the
    table declares and was not measured, which no JSON holds.
    """

    name: str
    cells: tuple[Cell, ...]
    learned: dict[str, dict[str, dict[str, Any]]]
    seconds: float
    commits: tuple[str, ...]
    hardware: tuple[str, ...]
    versions: tuple[str, ...]
    command: str
    missing: tuple[Absent, ...] = ()

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
    for task in wanted:
        if (outcome := run.outcome(task)) is not None:
            made.setdefault((task.row.name, task.depth, task.width, task.epochs), []).append((task, outcome))
    every = [outcome for task in tasks.with_needs(iter(wanted)) if (outcome := run.outcome(task)) is not None]
    measured = [outcome for found in made.values() for _, outcome in found]
    cells = tuple(_cell(key, found) for key, found in made.items())
    return Results(
        name=table.name,
        cells=cells,
        learned=_learned(table, run),
        # A training that was interrupted says itself how long it took in all.
        seconds=round(sum(max(o["took"], o.get("record", {}).get("seconds", 0.0)) for o in every), 1),
        commits=_distinct(outcome["commit"] for outcome in every),
        hardware=_distinct(outcome["hardware"] for outcome in measured),
        versions=_distinct(", ".join(f"{k} {v}" for k, v in outcome["versions"].items()) for outcome in measured),
        command=f"python -m experiments run {table.name} --data {run.data.name}",
        missing=_missing(table, cells),
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
        digests={str(task.seed): task.digest for task, _ in found},
    )


def _missing(table: Table, cells: Iterable[Cell]) -> tuple[Absent, ...]:
    there = {(cell.row, *cell.at, seed) for cell in cells for seed in cell.top1}
    declared = [(task.row.name, task.depth, task.width, task.epochs, str(task.seed)) for task in tasks.measures(table)]
    return tuple(Absent(*one) for one in declared if one not in there)


def _learned(table: Table, run: Run) -> dict[str, dict[str, dict[str, Any]]]:
    made: dict[str, dict[str, dict[str, Any]]] = {}
    for task in tasks.with_needs(tasks.measures(table)):
        if not isinstance(task, Measure) and (outcome := run.outcome(task)) is not None:
            record = outcome["record"]
            shown = {key: record[key] for key in ("accuracy", "seconds", "steps", "stored") if key in record}
            made.setdefault(task.name, {})[str(task.seed)] = shown
    return made


def write(results: Results, path: Path) -> None:
    """As JSON, whole or not at all: a line per cell."""
    table = asdict(results)
    del table["missing"]
    cells = ",\n".join(f"  {json.dumps(cell)}" for cell in table.pop("cells"))
    learned = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in table.pop("learned").items())
    rest = "".join(f" {json.dumps(k)}: {json.dumps(v)},\n" for k, v in table.items())
    part = path.with_suffix(".part")
    part.write_text(f'{{\n{rest} "learned": {{\n{learned}\n }},\n "cells": [\n{cells}\n ]\n}}\n', "utf-8")
    part.replace(path)


def read(path: Path, table: Table) -> Results:
    """What was measured of a table; InvalidValue for JSON of another version, or of another declaration."""
    try:
        found = json.loads(path.read_text("utf-8"))
        lists = {key: tuple(found[key]) for key in ("commits", "hardware", "versions")}
        cells = tuple(Cell(**cell) for cell in found["cells"])
        results = Results(**found | lists | {"cells": cells, "missing": _missing(table, cells)})
    except (TypeError, KeyError, ValueError) as error:
        raise InvalidValue(f"{path} is not as this version writes it ({error}); delete it, and run its table") from None
    asked = {(t.row.name, t.depth, t.width, t.epochs, str(t.seed)): t.digest for t in tasks.measures(table)}
    for cell in cells:
        for seed in cell.top1:
            if asked.get((cell.row, *cell.at, seed)) != cell.digests.get(seed, ""):
                what = f"{cell.row} at {cell.depth}x{cell.width}, seed {seed}"
                raise InvalidValue(
                    f"{path} holds {what}, as {table.name}.toml no longer declares it; run the table again"
                )
    return results


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(texts)))

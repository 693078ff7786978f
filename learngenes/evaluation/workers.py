"""One process per core or GPU, each measuring one cell at a time; one that dies takes its cell with it and no other.

A worker ends with the run that started it. It holds a lock on its cell's file, so a run started meanwhile finds either
the result or a checkpoint that nobody writes to any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from learngenes.catalog import Catalog, starter
from learngenes.evaluation import grid
from learngenes.evaluation.cell import Bench, forget
from learngenes.evaluation.grid import Cell
from learngenes.job import Report, Stopped
from learngenes.store.opened import open_store
from learngenes.training.crew import Crew, Died, Done, Failed, Said
from learngenes.training.device import by_itself
from learngenes.training.processes import LOOK_SECONDS, alone


def work(
    cells: Sequence[Cell],
    *,
    store: str | None,
    data: Path,
    run: Path,
    workers: int,
    threads: int,
    report: Report,
    finished: Callable[[Cell], None],
    stop: Callable[[], bool],
) -> tuple[dict[str, str], bool]:
    """Measure these cells in `workers` processes; calls finished(cell) once its file is there.

    store: where they find the learngene, None for those that ship. threads: of torch on a CPU, 0 for its own number.
    Returns why cells failed, by name, and whether `stop()` ended the work before all were done.
    """
    left, failures, interrupted = list(cells), dict[str, str](), False

    def fail(cell: Cell, why: str) -> None:
        failures[cell.name] = why
        report({"event": "failed", "cell": cell.name, "reason": why})

    with Crew[Cell](partial(_begin, store, data, run, threads), workers=min(workers, len(left))) as crew:
        while crew.busy or (left and not stop()):
            while crew.idle and left and not stop():
                cell = left.pop(0)
                report({"event": "cell", "cell": cell.name, "pid": crew.give(cell)})
            for cell, word in crew.hear(LOOK_SECONDS):
                match word:
                    case Said(progress):
                        report({"event": "tuning", "cell": cell.name, "progress": progress})
                    case Done(measured):
                        interrupted |= not measured
                        if measured:
                            finished(cell)
                    case Failed(why):
                        fail(cell, why)
                    case Died(how):
                        fail(cell, f"its process ended with {how}")
            if stop():
                crew.stop()
    return failures, bool(left) or interrupted


def _begin(
    store: str | None,
    data: Path,
    run: Path,
    threads: int,
    index: int,
    stop: Callable[[], bool],
    say: Callable[[Any], None],
) -> Callable[[Cell], bool]:
    """What measures a cell in this process: False if it was stopped. The learngene's store is opened once."""
    place = by_itself(index)
    if place.device.type == "cuda":
        torch.cuda.set_device(place.device)
    elif threads:
        torch.set_num_threads(threads)
    catalog = starter() if store is None else Catalog(open_store(store))
    return partial(_measure, Bench(catalog, data, run, place), say, stop)


def _measure(bench: Bench, report: Report, stop: Callable[[], bool], cell: Cell) -> bool:
    folder = bench.run / "cells"
    with alone(bench.run / "locks" / cell.name, stop) as mine:
        if not mine:
            return False
        if grid.read(folder, cell) is None:
            result = bench.measure(cell, report=report, stop=stop)
            if isinstance(result, Stopped):
                return False
            grid.write(folder, cell, result)
        forget(bench.run, cell)
    return True

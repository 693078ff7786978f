"""One process per core or GPU, each measuring one cell at a time; one that dies takes its cell with it and no other.

A worker ends with the run that started it. It holds a lock on its cell's file, so a run started meanwhile finds either
the result or a checkpoint that nobody writes to any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch

from learngenes.catalog import Catalog, starter
from learngenes.evaluation import grid
from learngenes.evaluation.cell import Bench, forget
from learngenes.evaluation.grid import Cell
from learngenes.job import Report, Stopped
from learngenes.store.opened import open_store
from learngenes.training.device import Place, by_itself
from learngenes.training.processes import end_with_starter, forked

LEAVING_SECONDS = 60
"""How long a worker may take to end once it has nothing to do."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a worker needs to start. index: of its device among several; threads: of torch on a CPU, 0 for its own."""

    store: str | None
    data: Path
    run: Path
    index: int
    threads: int

    def place(self) -> Place:
        """Where this process computes, from now on."""
        place = by_itself(self.index)
        if place.device.type == "cuda":
            torch.cuda.set_device(place.device)
        elif self.threads:
            torch.set_num_threads(self.threads)
        return place

    def bench(self) -> Bench:
        """Where this process measures; the learngene's store is opened once."""
        catalog = starter() if self.store is None else Catalog(open_store(self.store))
        return Bench(catalog, self.data, self.run, self.place())


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

    Returns why cells failed, by name, and whether `stop()` ended the work before all were done.
    """
    context = forked()
    stopping = context.Event()
    left, failures = list(cells), dict[str, str]()
    idle = list(range(min(workers, len(left))))
    busy: dict[Connection, _Worker] = {}
    leaving: list[_Worker] = []
    interrupted = False
    try:
        while busy or (left and not stop()):
            while idle and left and not stop():
                index, cell = idle.pop(), left.pop(0)
                worker = _Worker.start(context, Desk(store, data, run, index, threads), stopping, cell)
                worker.give(cell, report)
                busy[worker.connection] = worker
            for connection in wait(list(busy), timeout=0.2):
                assert isinstance(connection, Connection)
                worker = busy[connection]
                try:
                    kind, what = connection.recv()
                except (EOFError, OSError):
                    kind, what = "died", ""
                if kind == "tuning":
                    report({"event": "tuning", "cell": worker.cell.name, "progress": what})
                    continue
                interrupted |= kind == "stopped"
                _settle(worker, kind, what, failures, report, finished)
                if kind == "died" or stop() or not left:
                    del busy[connection]
                    idle.append(worker.index)
                    connection.close()  # which sends it home; the others are listened to meanwhile
                    leaving.append(worker)
                else:
                    worker.give(left.pop(0), report)
            if stop():
                stopping.set()
    finally:
        stopping.set()
        for worker in (*leaving, *busy.values()):
            worker.leave()
    return failures, bool(left) or interrupted


@dataclass(slots=True)
class _Worker:
    """A process and the cell it is at."""

    process: Any
    connection: Connection
    index: int
    cell: Cell

    @classmethod
    def start(cls, context: Any, desk: Desk, stopping: Any, cell: Cell) -> _Worker:
        """A new process; it has to be given the cell yet."""
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, desk, stopping))
        process.start()
        theirs.close()  # so that its end closes with the process
        return cls(process, ours, desk.index, cell)

    def give(self, cell: Cell, report: Report) -> None:
        """Let it measure a cell."""
        self.cell = cell
        report({"event": "cell", "cell": cell.name, "pid": self.process.pid})
        with contextlib.suppress(OSError):  # it died before it was asked: receiving will tell
            self.connection.send(cell)

    def leave(self) -> None:
        """Let it end; end it if it does not."""
        self.connection.close()
        self.process.join(LEAVING_SECONDS)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join()


def _settle(
    worker: _Worker,
    kind: str,
    what: str,
    failures: dict[str, str],
    report: Report,
    finished: Callable[[Cell], None],
) -> None:
    cell = worker.cell
    if kind == "died":
        worker.process.join(LEAVING_SECONDS)
        code = worker.process.exitcode
        how = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit status {code}"
        kind, what = "failed", f"its process ended with {how}"
    if kind == "done":
        finished(cell)
    elif kind == "failed":
        failures[cell.name] = what
        report({"event": "failed", "cell": cell.name, "reason": what})


def _serve(connection: Connection, desk: Desk, stopping: Any) -> None:
    """The life of a worker: cells come in, results go to their files, and word of them back."""
    end_with_starter()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is asked, and asks us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    bench = desk.bench()

    def report(event: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more: it is about to be killed
            connection.send(("tuning", event))

    while not stopping.is_set():
        try:
            cell = connection.recv()
        except EOFError:
            return
        try:
            answer = _measure(bench, cell, report, stopping.is_set)
        except Exception as error:
            answer = "failed", f"{type(error).__name__}: {error}"
        with contextlib.suppress(OSError):
            connection.send(answer)


def _measure(bench: Bench, cell: Cell, report: Report, stop: Callable[[], bool]) -> tuple[str, str]:
    folder = bench.run / "cells"
    with _locked(bench.run / "locks" / cell.name):
        if grid.read(folder, cell) is None:
            result = bench.measure(cell, report=report, stop=stop)
            if isinstance(result, Stopped):
                return "stopped", ""
            grid.write(folder, cell, result)
        forget(bench.run, cell)
    return "done", ""


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone among processes that lock this path; it is freed with the process that holds it, however that ends."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

"""An evaluation from job to measurements: cells planned, those missing measured, all of them read back."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from learngenes.budget.curves import TOP1
from learngenes.catalog import Catalog
from learngenes.errors import BadData
from learngenes.evaluation import grid
from learngenes.evaluation.grid import LATENCY_IMAGES, Cell, ImageFacts, Result, Setting
from learngenes.evaluation.job import EvaluationJob
from learngenes.evaluation.workers import work
from learngenes.gene import Manifest, Quality
from learngenes.job import Report
from learngenes.preparation import called
from learngenes.training.data import open_images
from learngenes.training.device import by_itself, hardware


@dataclass(frozen=True, slots=True)
class Measured:
    """A cell and what came of it; failed: why there is no result, None if it was not come to."""

    cell: Cell
    result: Result | None
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """All cells in the order of the grid. stopped: the run was asked to, and the same command goes on."""

    measured: tuple[Measured, ...]
    stopped: bool

    def quality(self, command: str) -> list[Quality]:
        """The measurements there are, as a manifest keeps them."""
        return [quality(one.cell, one.result, command) for one in self.measured if one.result is not None]

    @property
    def failures(self) -> list[Measured]:
        """The cells that failed."""
        return [one for one in self.measured if one.failed is not None]


def evaluate(
    job: EvaluationJob,
    manifest: Manifest,
    catalog: Catalog,
    *,
    store: str | None,
    data: Path,
    run: Path,
    workers: int | None,
    report: Report,
    done: Callable[[Cell, Result], None],
    stop: Callable[[], bool],
) -> Evaluated:
    """Measure what `run` does not hold yet.

    store: where the workers find the learngene, None for those that ship. data: where relative paths of images start.
    workers: processes, None for one per GPU or core. done: called with each cell as it is measured or found.
    """
    wanted = grid.cells(job, manifest, catalog, setting(job, data))
    folder = run / "cells"
    for name in ("cells", "checkpoints", "locks"):
        (run / name).mkdir(parents=True, exist_ok=True)
    missing = []
    for cell in wanted:
        if (found := grid.read(folder, cell)) is None:
            missing.append(cell)
        else:
            done(cell, found)
    report({"event": "grid", "cells": len(wanted), "missing": len(missing)})

    def finished(cell: Cell) -> None:
        result = grid.read(folder, cell)
        assert result is not None
        report({"event": "measured", "cell": cell.name, cell.metric: result.value, "n": result.n})
        done(cell, result)

    failures: dict[str, str] = {}
    stopped = False
    # Latencies come when nothing else runs, one at a time and with all threads.
    for accuracies, count, threads in ((True, workers or _devices(), 1), (False, 1, 0)):
        if not stopped:
            more, stopped = work(
                [cell for cell in missing if (cell.metric == TOP1) == accuracies],
                store=store,
                data=data,
                run=run,
                workers=count,
                threads=threads,
                report=report,
                finished=finished,
                stop=stop,
            )
            failures |= more
    return Evaluated(
        tuple(Measured(cell, grid.read(folder, cell), failures.get(cell.name)) for cell in wanted), stopped
    )


def quality(cell: Cell, result: Result, command: str) -> Quality:
    """A measurement as a manifest keeps it; that of a latency names the hardware in its command."""
    dataset, split = called(cell.data.test) if cell.metric == TOP1 else LATENCY_IMAGES
    return Quality(
        depth=cell.depth,
        width=cell.width,
        dataset=dataset,
        split=split,
        metric=cell.metric,
        value=result.value,
        n=result.n,
        epochs_after=cell.epochs,
        seed=cell.seed,
        command=command if cell.metric == TOP1 else f"{command} # on {result.hardware}",
    )


def setting(job: EvaluationJob, data: Path) -> Setting:
    """Opens the images once, which refuses what can't be read before any worker starts."""
    test, train = _facts(job.test, data), None if job.train is None else _facts(job.train, data)
    if train is not None and any(job.epochs):
        if train.classes != test.classes:
            raise BadData(
                f"{job.train} has {len(train.classes)} classes and {job.test} {len(test.classes)}, or others; "
                f"they have to be the same"
            )
        batch = job.tuning(max(job.epochs), width=1, fused_attention=False).batch
        if train.n < batch:
            raise BadData(f"{job.train} has {train.n} images, fewer than a batch of {batch}; lower batch in [training]")
    place = by_itself()
    return Setting(test, train, place.device.type, hardware(place))


def _facts(source: str, data: Path) -> ImageFacts:
    images = open_images(source, data=data)
    return ImageFacts(source, len(images), tuple(images.classes))


def _devices() -> int:
    """GPUs, or else the cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return torch.cuda.device_count() or cores

"""Descendants measured, and the measurements published as the learngene's next version."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from learngenes.errors import InvalidValue
from learngenes.evaluation.job import EvaluationJob
from learngenes.gene import Manifest
from learngenes.job import Stopped
from learngenes.perform.workplace import Outcome, Workplace, alone, announce
from learngenes.publish import newest_of, publish_measured
from learngenes.spec import Evaluate

if TYPE_CHECKING:
    from learngenes.evaluation.grid import Cell, Result
    from learngenes.evaluation.run import Evaluated


class CellsFailed(Exception):
    """Some cells failed and all others were measured; the same job measures what failed again."""


def evaluate(spec: Evaluate, at: Workplace) -> Outcome | Stopped:
    """Measure what the run directory does not hold yet, and publish. CellsFailed where cells failed."""
    catalog = at.need_catalog()
    manifest = catalog.get(spec.job.learngene)
    newest_of(manifest, catalog)
    evaluated = measured(spec.job, manifest, at, done=lambda cell, result: None)
    if evaluated.stopped:
        return stopped(evaluated)
    if evaluated.failures:
        raise CellsFailed("; ".join(f"{one.cell.name} failed: {one.failed}" for one in evaluated.failures))
    published = publish_measured(manifest, evaluated.quality(at.command), catalog=catalog)
    return announce(published, at, alias=spec.alias)


def measured(
    job: EvaluationJob, manifest: Manifest, at: Workplace, *, done: Callable[[Cell, Result], None]
) -> Evaluated:
    """Every cell, measured or found; `done` is called with each. InvalidValue in one of several ranks."""
    from learngenes.evaluation import run

    if not alone():
        raise InvalidValue("an evaluation starts its own processes, one per GPU or core; start it without torchrun")
    return run.evaluate(
        job,
        manifest,
        at.need_catalog(),
        store=at.store,
        data=at.data,
        run=at.run,
        workers=at.workers,
        report=at.report,
        done=done,
        stop=at.stop,
    )


def stopped(evaluated: Evaluated) -> Stopped:
    """How far an evaluation came."""
    return Stopped("the evaluation", sum(one.result is not None for one in evaluated.measured), len(evaluated.measured))


def command(job: EvaluationJob) -> str:
    """The command line that measures this again; what differs from the recipe of tuning stands behind it."""
    words = ["learngenes", "evaluate", job.learngene]
    for name in ("test", "train", "depths", "widths", "epochs", "seeds", "precision"):
        value = getattr(job, name)
        if value:
            words += [f"--{name}", ",".join(map(str, value)) if isinstance(value, tuple) else value]
    if job.latency:
        words.append("--latency")
    tables = {name: table for name in ("training", "data") if (table := getattr(job, name))}
    if tables:
        words += ["--tuning", json.dumps(tables, sort_keys=True)]
    return shlex.join([*words, "--run", "RUN"])

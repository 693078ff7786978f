"""The run directories of this machine."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from learngenes_service.jobs.records import Records, is_id

KEPT_SECONDS = 7 * 86400
"""Runs of jobs that failed stay so long on this machine, in case they are asked again."""


def sweep(runs: Path, records: Records) -> None:
    """Drop runs that nobody goes on with."""
    for run in runs.iterdir():
        if not is_id(run.name):
            continue
        job = records.get(run.name)
        if job is not None and job.end is None:
            continue
        if job is None or job.end is None or time.time() - max(job.end.time, job.ask.time) > KEPT_SECONDS:
            remove(run)


def remove(run: Path) -> None:
    """A directory that nobody needs any more."""
    shutil.rmtree(run, ignore_errors=True)

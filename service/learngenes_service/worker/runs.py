"""The run directories of this machine."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from pathlib import Path

from learngenes_service.jobs.job import RESUMABLE_SECONDS
from learngenes_service.jobs.records import Records, is_id


def sweep(runs: Path, records: Records) -> None:
    """Drop runs that nobody goes on with."""
    for run in runs.iterdir():
        if is_id(run.name) and _over(run.name, records):
            with contextlib.suppress(FileNotFoundError), (run / "lock").open("ab") as lock:
                if locked(lock.fileno()) and _over(run.name, records):  # or it was asked for and begun just now
                    remove(run)


def locked(file: int) -> bool:
    """Take the lock of a run directory, the open file `lock` in it; False if somebody else has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _over(id: str, records: Records) -> bool:
    job = records.get(id)
    return job is None or job.over(resumable_since=records.now() - RESUMABLE_SECONDS)


def remove(run: Path) -> None:
    """A directory that nobody needs any more."""
    shutil.rmtree(run, ignore_errors=True)

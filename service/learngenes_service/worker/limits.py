"""What one job may take: time, disk, and disk that others need."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from learngenes_service.settings import Settings

LOOK_SECONDS = 10.0


class Limits:
    """Of one attempt. spent_seconds: by attempts before it."""

    def __init__(
        self,
        settings: Settings,
        run: Path,
        *,
        spent_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._run, self._clock = settings, run, clock
        self._begun = clock() - spent_seconds
        self._looked = -LOOK_SECONDS

    def broken(self) -> str | None:
        """One sentence on a limit that is passed; the disk is looked at now and then."""
        hours = (self._clock() - self._begun) / 3600
        if hours > self._settings.job_hours:
            return (
                f"the job ran for {hours:.1f} hours, and {self._settings.job_hours:g} is the most here; "
                f"ask for fewer steps, or raise LEARNGENES_JOB_HOURS"
            )
        if self._clock() - self._looked < LOOK_SECONDS:
            return None
        self._looked = self._clock()
        free = shutil.disk_usage(self._run).free
        if free < self._settings.free_bytes:
            return (
                f"the worker's disk has {free} bytes free, and {self._settings.free_bytes} have to be left; "
                f"make room there, or lower LEARNGENES_FREE_BYTES"
            )
        taken = directory_bytes(self._run)
        if taken > self._settings.run_bytes:
            return (
                f"the run takes {taken} bytes of disk, and {self._settings.run_bytes} is the most here; "
                f"ask for a smaller job, or raise LEARNGENES_RUN_BYTES"
            )
        return None


def directory_bytes(directory: Path) -> int:
    """Bytes of all files below a directory that is being written to."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(Path(folder) / name).st_size
            except FileNotFoundError:
                continue
    return total

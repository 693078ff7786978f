"""A process of which there is one for a data directory, whoever started it."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from learngenes_service.embedded.locks import holding, sign

log = logging.getLogger("learngenes.service")

LOG_BYTES = 10_000_000
"""A longer log is set aside, and the one before it dropped."""
STEADY_SECONDS = 60.0
"""Who lived so long is started again without much delay."""
LONGEST_DELAY_SECONDS = 30.0


class Child:
    """Started if nobody holds its lock, and again with growing delay when it died.

    lock: what it inherits, so that it is held for as long as it lives, also if its starter was killed.
    output: file of what it prints.
    """

    def __init__(self, name: str, *, command: Sequence[str], environment: Mapping[str, str], lock: Path, output: Path):
        self.name = name
        self.command = list(command)
        self.environment = dict(environment)
        self.lock = lock
        self.output = output
        self.failures = 0
        """Deaths in a row."""
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._not_before = 0.0

    def look(self) -> bool:
        """Start it if none lives and it's time; True if it was started now."""
        if self._process is not None:
            if self._process.poll() is None:
                return False
            self._bury(self._process.returncode)
        if time.monotonic() < self._not_before:
            return False
        with holding(self.lock) as held:
            if held is None:
                return False
            self._start(held)
        return True

    @property
    def mine(self) -> bool:
        """Whether it was started here and lives."""
        return self._process is not None and self._process.poll() is None

    def trim(self) -> None:
        """Keep the log bounded; whoever writes to it does so at its end."""
        with contextlib.suppress(OSError):
            if self.output.stat().st_size > LOG_BYTES:
                shutil.copyfile(self.output, self.output.with_suffix(".log.1"))
                os.truncate(self.output, 0)

    def _start(self, held: int) -> None:
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in a terminal goes to its whole group: this one is told by its parent, in order.
                start_new_session=True,
                pass_fds=(held,),
            )
        self._started = time.monotonic()
        sign(held, self._process.pid)

    def _bury(self, status: int) -> None:
        self._process = None
        self.failures = 1 if time.monotonic() - self._started > STEADY_SECONDS else self.failures + 1
        delay = min(LONGEST_DELAY_SECONDS, 0.25 * 2 ** (self.failures - 1))
        self._not_before = time.monotonic() + delay
        log.warning("%s ended with %d, see %s; it is started again in %g s", self.name, status, self.output, delay)

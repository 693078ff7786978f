"""Locks that say who lives: held by a process through a file it inherited, and let go by the kernel when it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

SERVE = "serve.lock"
"""Shared by every service over a data directory: who gets it alone was the last."""
SERVER = "redis.lock"
_LOOK_SECONDS = 0.05


def worker(slot: int | Literal["*"]) -> str:
    """The lock of one worker, or the pattern of all."""
    return f"worker-{slot}.lock"


@contextlib.contextmanager
def holding(path: Path, *, shared: bool = False) -> Iterator[int | None]:
    """The locked file's descriptor, or None if somebody else has the lock.

    A process that inherited the descriptor keeps the lock after the block. shared: together with other shared holders.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor if _flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX) else None
    finally:
        os.close(descriptor)


def alone(descriptor: int) -> bool:
    """Make a shared lock one's own; False if others share it, and then it's lost. Of all who leave, one gets it."""
    return _flock(descriptor, fcntl.LOCK_EX)


def _flock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sign(descriptor: int, pid: int) -> None:
    """Write into a locked file whose it is."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(pid).encode(), 0)


def holder(path: Path) -> int | None:
    """The pid of who holds a lock: 0 if it isn't written there yet, None if nobody does."""
    with holding(path) as held:
        if held is not None:
            return None
        text = path.read_text()
        return int(text) if text.isdecimal() else 0


def end(paths: Sequence[Path], *, wait_seconds: float, hurry: threading.Event) -> list[Path]:
    """Ask the holders of these locks to end; after the wait, or in a hurry, make them. Returns who was made to."""
    deadline = time.monotonic() + wait_seconds
    told: set[int] = set()
    while (living := {path: pid for path in paths if (pid := holder(path)) is not None}) and (
        time.monotonic() < deadline and not hurry.is_set()
    ):
        for pid in {pid for pid in living.values() if pid} - told:
            _send(pid, signal.SIGTERM)
            told.add(pid)
        hurry.wait(_LOOK_SECONDS)
    for pid in living.values():
        _send(pid, signal.SIGKILL)
    return list(living)


def _send(pid: int, number: int) -> None:
    if pid > 0:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

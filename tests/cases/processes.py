"""Whether a process that somebody else started is still there."""

from __future__ import annotations

import time
from pathlib import Path


def gone(pid: int) -> bool:
    """Nobody's child any more, or a zombie that waits to be buried by whoever inherited it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state.rpartition(")")[2].split()[0] == "Z"


def assert_gone(pid: int, *, seconds: float = 1.0) -> None:
    """It ends that soon."""
    limit = time.monotonic() + seconds
    while not gone(pid):
        assert time.monotonic() < limit, f"process {pid} outlived whoever started it by {seconds} s"
        time.sleep(0.01)

"""What the kernel says of a process: CPU seconds, memory that is its own, open files. Linux only."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """User and system time so far, in steps of 10 ms; 0 if the process is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine_cpu_seconds() -> float:
    """Time all cores together were not idle, including what the host took away."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """The process and its children, such as nginx and its worker."""
    found = [pid]
    with contextlib.suppress(FileNotFoundError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def anonymous_bytes(pid: int) -> int:
    """Memory of its own: anonymous pages, so not the mapped learngenes, which are the page cache's."""
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Anonymous") * 1024


def private_dirty_bytes(pid: int) -> int:
    """Pages that are written and shared with nobody."""
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Private_Dirty") * 1024


def resident_bytes(pid: int) -> int:
    """All resident pages, shared and mapped ones included."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmRSS") * 1024


def open_files(pid: int) -> int:
    """Number of file descriptors."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


class Foreign:
    """CPU that processes other than ours use, between making this and asking it.

    ours: process ids whose time does not count.
    """

    def __init__(self, ours: Iterable[int]) -> None:
        self._ours = list(ours)
        self._start = self._now()

    def seconds(self) -> float:
        """CPU seconds of all others so far; at least 0, for the kernel counts in ticks."""
        return max(0.0, self._now() - self._start)

    def _now(self) -> float:
        return machine_cpu_seconds() - sum(map(cpu_seconds, self._ours))


def _kilobytes(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise ValueError(f"{path} has no line {name}")

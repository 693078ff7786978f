"""How far apart two cores are: the nanoseconds a byte takes from one to the other and back, halved.

A host may move a virtual machine's cores to parts of the processor that share no cache, and back, within seconds. Where
the kernel copies on one core what another reads, bytes a second then fall to a half or a third; with sendfile they
hardly do. Ratios of such moments say as much of the host as of the servers. Measured in Python, 110 ns are near and
300 ns are far; without Python they would be 30 and 180.
"""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path

_ROUNDS, _BATCHES = 200, 8
_PATIENCE_LOOKS = 2_000_000
"""About a tenth of a second, when others use the cores as well."""
_FIRST, _SECOND = 0, 64
"""Where the two bytes lie: each in a cache line of its own."""


def two_cores() -> tuple[int, int] | None:
    """The first two cores this process may use; None if it has one."""
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[1]) if len(cores) > 1 else None


def ping(path: Path, *, core: int, leads: bool) -> float:
    """Nanoseconds, the least of some batches; infinite if the other side is not heard in time.

    Two processes call it at once on the same file of at least 65 bytes, which must be zeros; one of them leads.
    """
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
            return min(_batch(shared, batch, leads=leads) for batch in range(_BATCHES)) / _ROUNDS / 2 * 1e9
    finally:
        os.sched_setaffinity(0, allowed)


def _batch(shared: mmap.mmap, batch: int, *, leads: bool) -> float:
    start = time.perf_counter()
    for number in range(batch * _ROUNDS, (batch + 1) * _ROUNDS):
        token = number % 251 + 1
        if leads:
            shared[_FIRST] = token
        if not _heard(shared, _SECOND if leads else _FIRST, token):
            return float("inf")
        if not leads:
            shared[_SECOND] = token
    return time.perf_counter() - start


def _heard(shared: mmap.mmap, place: int, token: int) -> bool:
    for _ in range(_PATIENCE_LOOKS):  # noqa: SIM110 (a generator would cost more than what is measured)
        if shared[place] == token:
            return True
    return False

"""When the client leaves, the work stops: CPU and open files return to what they were."""

from __future__ import annotations

import time

from bench import proc, readers
from bench.findings import Finding, Goal, Section
from bench.setup import Setup

CLIENTS = 8
_READ_BYTES = 8 << 20
_PATIENCE_SECONDS = 5.0


def measure(setup: Setup) -> Section:
    """Clients that hang up in the middle of the large descendant, half of them with FIN, half with RST."""
    pid = setup.service.pid
    files = proc.open_files(pid)
    seconds = setup.effort.seconds / 2
    idle = _cores(pid, seconds)
    ask = setup.service.post(setup.large.body)
    connections = [readers.stall(ask, read_bytes=_READ_BYTES) for _ in range(CLIENTS)]
    most = proc.open_files(pid)
    for number, connection in enumerate(connections):
        readers.hang_up(connection, reset=bool(number % 2))
    start = time.perf_counter()
    while proc.open_files(pid) > files and time.perf_counter() - start < _PATIENCE_SECONDS:
        time.sleep(0.01)
    took = time.perf_counter() - start
    left = proc.open_files(pid) - files
    after = _cores(pid, seconds)
    return Section(
        "Clients that leave",
        f"{CLIENTS} clients read {_READ_BYTES >> 20} MiB of the large descendant and hang up, half of them with FIN, "
        "half with RST.",
        (
            Finding(
                what="open files more than before",
                value=left,
                unit="files",
                samples=CLIENTS,
                goal=Goal("<=", 0),
                note=f"{files} before, {most} while they read, {files + left} after {took:.2f} s",
            ),
            Finding(
                what="CPU of the service after they left, over idle",
                value=max(0.0, after - idle),
                unit="cores",
                samples=CLIENTS,
                goal=Goal("<=", 0.05),
                note=f"{after:.2f} in the {seconds:g} s after, {idle:.2f} before",
            ),
        ),
    )


def _cores(pid: int, seconds: float) -> float:
    before, start = proc.cpu_seconds(pid), time.perf_counter()
    time.sleep(seconds)
    return (proc.cpu_seconds(pid) - before) / (time.perf_counter() - start)

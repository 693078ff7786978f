"""Memory of its own that the service takes for downloads, busy ones and stalled ones."""

from __future__ import annotations

import time
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

from bench import proc, readers, servers
from bench.findings import Finding, Goal, Section, quantile, spread
from bench.setup import Setup

DOWNLOADS = 8
STALLED = 50
_READ_BYTES = 1 << 16
_ALTERNATIONS = 3


def measure(setup: Setup) -> Section:
    """The service has served for a while; what it holds then is its idle memory."""
    return Section(
        "Memory and stalled readers",
        "Anonymous memory of the process (smaps_rollup), which leaves out the mapped learngenes: they are page cache, "
        "shared by all. Growth is the peak of samples every 20 ms over the idle value. A stalled reader takes "
        f"{_READ_BYTES >> 10} KiB of the large descendant and stops; {STALLED} are held while a new client asks "
        "for the small one again and again, in turns with nobody stalled.",
        (*_downloads(setup), *_stalled(setup), _torch(setup)),
    )


def _downloads(setup: Setup) -> list[Finding]:
    idle, idle_dirty = _settled(setup)
    ask = setup.service.get(setup.large.path)
    pulling = setup.load.start(readers.pull_for, ask, clients=DOWNLOADS, seconds=setup.effort.seconds)
    peak, dirty, samples = _peak(setup.service.pid, pulling)
    pulling.result()
    return [
        Finding(
            what=f"for each of {DOWNLOADS} downloads of the {setup.large.label} at once",
            value=max(0, peak - idle) / DOWNLOADS / 1e6,
            unit="MB",
            samples=samples,
            goal=Goal("<=", 2),
            note=f"anonymous {idle / 1e6:.1f} idle, {peak / 1e6:.1f} at most; "
            f"private dirty {idle_dirty / 1e6:.1f} and {dirty / 1e6:.1f} MB",
        )
    ]


def _stalled(setup: Setup) -> list[Finding]:
    idle, idle_dirty = _settled(setup)
    probe, ask = setup.service.post(setup.small.body), setup.service.post(setup.large.body)
    times = max(5, setup.effort.probes // (2 * _ALTERNATIONS))
    alone: list[float] = []
    beside: list[float] = []
    held, held_dirty, cores = 0, 0, 0.0
    for _ in range(_ALTERNATIONS):
        alone += [setup.reader.run(readers.first_byte, probe) for _ in range(times)]
        with ExitStack() as stack:
            for _ in range(STALLED):
                stack.callback(readers.stall(ask, read_bytes=_READ_BYTES).close)
            time.sleep(0.5)
            cores = max(cores, _cores(setup.service.pid, 0.5))
            held = max(held, proc.anonymous_bytes(setup.service.pid))
            held_dirty = max(held_dirty, proc.private_dirty_bytes(setup.service.pid))
            beside += [setup.reader.run(readers.first_byte, probe) for _ in range(times)]
        time.sleep(0.5)
    return [
        Finding(
            what=f"for {STALLED} stalled readers in all",
            value=max(0, held - idle) / 1e6,
            unit="MB",
            samples=_ALTERNATIONS,
            goal=Goal("<=", 16),
            note=f"anonymous {idle / 1e6:.1f} idle, {held / 1e6:.1f} with them; "
            f"private dirty {idle_dirty / 1e6:.1f} and {held_dirty / 1e6:.1f} MB",
        ),
        Finding(
            what=f"first byte for others beside {STALLED} stalled readers, to without them",
            value=quantile(beside, 0.5) / quantile(alone, 0.5),
            unit="x",
            samples=len(beside),
            goal=Goal("<=", 1.5),
            note=f"p50/p99 {spread(beside)} : {spread(alone)}",
        ),
        Finding(
            what=f"CPU of the service while {STALLED} are stalled",
            value=cores,
            unit="cores",
            samples=_ALTERNATIONS,
            goal=Goal("<=", 0.05),
        ),
    ]


def _torch(setup: Setup) -> Finding:
    with servers.torch_app(setup.place) as torch_app:
        idle = proc.anonymous_bytes(torch_app.pid)
        building = setup.load.start(readers.pull, torch_app.post(setup.large.body))
        peak, _, samples = _peak(torch_app.pid, building)
        building.result()
    return Finding(
        what=f"for comparison: one {setup.large.label} built by timm",
        value=(peak - idle) / 1e6,
        unit="MB",
        samples=samples,
        note=f"anonymous {idle / 1e6:.0f} idle, {peak / 1e6:.0f} at most",
    )


def _peak(pid: int, until: Future[Any]) -> tuple[int, int, int]:
    """Most anonymous and most private dirty bytes until that is done, and how often they were read."""
    anonymous, dirty, samples = 0, 0, 0
    while not until.done():
        anonymous = max(anonymous, proc.anonymous_bytes(pid))
        dirty = max(dirty, proc.private_dirty_bytes(pid))
        samples += 1
        time.sleep(0.02)
    return anonymous, dirty, samples


def _settled(setup: Setup) -> tuple[int, int]:
    """Idle anonymous and private dirty bytes, after half a second of rest."""
    time.sleep(0.5)
    return proc.anonymous_bytes(setup.service.pid), proc.private_dirty_bytes(setup.service.pid)


def _cores(pid: int, seconds: float) -> float:
    before, start = proc.cpu_seconds(pid), time.perf_counter()
    time.sleep(seconds)
    return (proc.cpu_seconds(pid) - before) / (time.perf_counter() - start)

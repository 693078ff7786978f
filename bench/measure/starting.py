"""What it costs that torch stays out: start and memory of the service with and without importing it."""

from __future__ import annotations

import os
import statistics

from bench import proc, servers
from bench.findings import Finding, Goal, Pair, Section, combine
from bench.setup import Setup

HEAVY = "torch, timm"


def measure(setup: Setup) -> Section:
    """Alternating starts; the first of each kind is not counted, it fills the page cache and the byte-code caches."""
    for modules in ("", HEAVY):
        _start(setup, modules)
    times: list[Pair] = []
    memory: list[Pair] = []
    light_all: list[tuple[float, int]] = []
    heavy_all: list[tuple[float, int]] = []
    for _ in range(setup.effort.starts):
        foreign_cores = 0.0
        found: dict[str, tuple[float, int]] = {}
        for modules in setup.draw.permutation(["", HEAVY]):
            seconds, resident, cores = _start(setup, str(modules))
            found[str(modules)] = (seconds, resident)
            foreign_cores = max(foreign_cores, cores)
        light, heavy = found[""], found[HEAVY]
        light_all.append(light)
        heavy_all.append(heavy)
        times.append(Pair(heavy[0] / light[0], foreign_cores))
        memory.append(Pair(heavy[1] / light[1], foreign_cores))
    return Section(
        "Starting",
        "From spawning the process to its first 200 on /healthz, and its resident memory then. Theirs is the same "
        f"service with `import {HEAVY}` before; starts alternate.",
        (
            _finding("time to the first answer", times, heavy_all, light_all, 0, 8),
            _finding("resident memory", memory, heavy_all, light_all, 1, 10),
        ),
    )


def _finding(
    what: str,
    pairs: list[Pair],
    heavy: list[tuple[float, int]],
    light: list[tuple[float, int]],
    field: int,
    limit: float,
) -> Finding:
    ratio = combine(pairs)
    theirs, ours = (statistics.median(sample[field] for sample in side) for side in (heavy, light))
    figures = f"{theirs:.2f} s : {ours:.2f} s" if field == 0 else f"{theirs / 1e6:.0f} MB : {ours / 1e6:.0f} MB"
    return Finding(
        what=f"{what}, with torch and timm imported to ours",
        value=ratio.median,
        unit="x",
        samples=ratio.pairs,
        quartiles=ratio.quartiles,
        goal=Goal(">=", limit),
        note="; ".join(filter(None, [figures, ratio.said()])),
    )


def _start(setup: Setup, modules: str) -> tuple[float, int, float]:
    """Seconds, resident bytes, and cores that others used meanwhile."""
    foreign = proc.Foreign([os.getpid(), *setup.own_pids()])
    with servers.service(setup.place, also_import=modules) as server:
        others = foreign.seconds() - proc.cpu_seconds(server.pid)
        return server.start_seconds, proc.resident_bytes(server.pid), max(0.0, others) / server.start_seconds

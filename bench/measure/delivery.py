"""What a client gains by building a descendant itself, from its recipe and the learngene it has, to downloading it."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from pathlib import Path

from learngenes_client import Client

from bench import proc
from bench.findings import Finding, Goal, Pair, Section, combine
from bench.setup import Setup

DEPTHS = {"random-384": (9, 24), "random-768": (12, 24)}
"""What is asked of each learngene. Those of one learngene share it, so only the first of them fetches it."""


def measure(setup: Setup) -> Section:
    """Downloads and builds of the same checkpoint in turns, each into a cache that lacks this one alone."""
    cache = setup.place.data.parent / "caches"
    url = f"http://127.0.0.1:{setup.service.port}"
    findings = []
    with (
        Client(url, cache=cache / "downloads", local=False) as downloads,
        Client(url, cache=cache / "builds", local=True) as builds,
    ):
        for learngene, depths in DEPTHS.items():
            _fetch(builds, learngene, 1)  # brings the learngene
            for depth in depths:
                findings.append(_finding(setup, downloads, builds, learngene, depth))
    shutil.rmtree(cache)
    return Section(
        "Delivery by recipe",
        "Time of a download from the loopback by our client, divided by the time it takes to fetch document and recipe "
        "and build the file from the learngene in its cache: whole `fetch_model` calls, in turns, of a file new to the "
        "cache. A download is hashed as it comes and waits for the disk before it counts as there; a build checks the "
        "digests of recipe and learngene, and a file that was not on disk when the machine stopped is built again.",
        tuple(findings),
    )


def _finding(setup: Setup, downloads: Client, builds: Client, learngene: str, depth: int) -> Finding:
    pairs, both = [], []
    _fetch(downloads, learngene, depth)
    size = 0
    for _ in range(setup.effort.rounds):
        foreign = proc.Foreign([os.getpid(), *setup.own_pids()])
        downloaded, size = _fetch(downloads, learngene, depth)
        built, _ = _fetch(builds, learngene, depth)
        both.append((downloaded, built))
        pairs.append(Pair(downloaded / built, foreign.seconds() / (downloaded + built)))
    ratio = combine(pairs)
    theirs, ours = (statistics.median(times) for times in zip(*both, strict=True))
    return Finding(
        f"{size / 1e6:.0f} MB, download to build",
        ratio.median,
        "x",
        ratio.pairs,
        ratio.quartiles,
        goal=Goal(">=", 5),
        note="; ".join(filter(None, [f"{theirs * 1e3:.0f} ms : {ours * 1e3:.0f} ms", ratio.said()])),
    )


def _fetch(client: Client, learngene: str, depth: int) -> tuple[float, int]:
    """Seconds and bytes; what came is thrown away again."""
    began = time.perf_counter()
    path: Path = client.fetch_model(depth=depth, learngene=learngene).path
    seconds = time.perf_counter() - began
    size = path.stat().st_size
    while any(path.parent.glob("*.unsettled")):  # a thread still brings it to the disk
        time.sleep(0.01)
    os.sync()  # so that nobody's next sample waits for the disk
    shutil.rmtree(path.parent)
    return seconds, size

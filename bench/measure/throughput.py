"""Bytes a second of a streamed descendant against servers that have the file."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass, field

from bench import proc, readers
from bench.findings import Finding, Goal, Pair, Section, combine
from bench.readers import Ask
from bench.setup import Setup, others
from bench.subjects import Subject

CLIENTS = (1, 8)
_SAMPLE_BYTES = 650_000_000
_GOALS = {
    ("nginx sendfile", 1): Goal(">=", 0.5),
    ("FileResponse", 1): Goal(">=", 5),
    ("FileResponse", 8): Goal(">=", 5),
}


@dataclass(slots=True)
class _Side:
    """All samples of one server: bytes a second of each, and what CPU all of them took."""

    pids: list[int]
    ask: Ask
    rates: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0
    bytes: int = 0

    def said(self) -> str:
        """Median rate and server CPU."""
        return f"{statistics.median(self.rates) / 1e9:.2f} GB/s {self.cpu_seconds / self.bytes * 1e9:.2f} CPU s/GB"


def measure(setup: Setup) -> Section:
    """Every size, number of clients and server; the pairs of different servers are interleaved."""
    findings = [
        finding for clients in CLIENTS for subject in setup.both for finding in _measure(setup, subject, clients)
    ]
    return Section(
        "Bytes a second",
        "Ours is GET of the descendant by its id, or POST /initialize where it says so; the ratio is ours to theirs. "
        "Every sample of ours is next to one of theirs, in random order; the table has the median of the paired ratios "
        "and its quartiles. One connection a request; all clients are one reading process, which leaves the server a "
        f"core. A sample is as many downloads as make about {_SAMPLE_BYTES / 1e9:.2f} GB (FileResponse: one a client). "
        "The goal with nginx and one client is 0.5, the aim 0.8.",
        tuple(findings),
    )


def _measure(setup: Setup, subject: Subject, clients: int) -> list[Finding]:
    service = setup.service
    contests = {
        name: (_Side(service.pids, service.get(subject.path)), _Side(_pids_of(setup, ask), ask))
        for name, ask in others(setup, subject).items()
    }
    if setup.nginx is not None:
        ask = others(setup, subject)["nginx sendfile"]
        contests["nginx sendfile, ours by POST"] = (
            _Side(service.pids, service.post(subject.body)),
            _Side(setup.nginx.pids, ask),
        )
    pairs: dict[str, list[Pair]] = {name: [] for name in contests}
    for round_number in range(setup.effort.rounds):
        for name in setup.draw.permutation(list(contests)):
            slow = name == "FileResponse"
            if slow and round_number >= (setup.effort.rounds + 1) // 2 // (1 if clients == 1 else 2):
                continue
            times = 1 if slow else max(1, round(_SAMPLE_BYTES / subject.size / clients))
            pairs[name].append(_pair(setup, *contests[name], clients=clients, times=times))
    findings = []
    for name, (ours, theirs) in contests.items():
        ratio = combine(pairs[name])
        notes = [f"{ours.said()} : {theirs.said()}", ratio.said()]
        findings.append(
            Finding(
                what=f"{subject.label}, {clients} client{'s' if clients > 1 else ''}, to {name}",
                value=ratio.median,
                unit="x",
                samples=ratio.pairs,
                quartiles=ratio.quartiles,
                goal=_GOALS.get((name, clients)),
                note="; ".join(filter(None, notes)),
            )
        )
    return findings


def _pair(setup: Setup, ours: _Side, theirs: _Side, *, clients: int, times: int) -> Pair:
    foreign = proc.Foreign([os.getpid(), *setup.own_pids()])
    start = time.perf_counter()
    for side in setup.draw.permutation([0, 1]):
        _sample(setup, (ours, theirs)[side], clients=clients, times=times)
    elapsed = time.perf_counter() - start
    return Pair(ours.rates[-1] / theirs.rates[-1], foreign.seconds() / elapsed)


def _sample(setup: Setup, side: _Side, *, clients: int, times: int) -> None:
    before = sum(map(proc.cpu_seconds, side.pids))
    pulled = setup.reader.run(readers.pull, side.ask, clients=clients, times=times)
    side.cpu_seconds += sum(map(proc.cpu_seconds, side.pids)) - before
    side.bytes += pulled.bytes
    side.rates.append(pulled.rate)


def _pids_of(setup: Setup, ask: Ask) -> list[int]:
    server = setup.files if ask.port == setup.files.port else setup.nginx
    assert server is not None
    return server.pids

"""Bytes a second of a streamed descendant against servers that have the file."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass, field

from bench import proc, readers
from bench.findings import FAR, Finding, Goal, Pair, Section, combine
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


@dataclass(slots=True)
class _Contest:
    """Ours against one other server. slow: theirs takes so long that fewer and shorter samples have to do."""

    what: str
    goal: Goal | None
    ours: _Side
    theirs: _Side
    slow: bool
    pairs: list[Pair] = field(default_factory=list)


def measure(setup: Setup) -> Section:
    """Every size, number of clients and server; the pairs of different servers are interleaved."""
    contests = [
        contest for clients in CLIENTS for subject in setup.both for contest in _measure(setup, subject, clients)
    ]
    distances = [pair.distance for contest in contests for pair in contest.pairs]
    near = min(distances)
    far = sum(near * FAR < distance < float("inf") for distance in distances)
    return Section(
        "Bytes a second",
        "Ours is GET of the descendant by its id, or POST /initialize where it says so; the ratio is ours to theirs. "
        "Every sample of ours is next to one of theirs, in random order; the table has the median of the paired ratios "
        "and its quartiles. One connection a request; all clients are one reading process, which leaves the server a "
        f"core. A sample is as many downloads as make about {_SAMPLE_BYTES / 1e9:.2f} GB (FileResponse: one a client). "
        "The goal with nginx and one client is 0.5, the aim 0.8. "
        f"Cores were {near:.0f} ns apart, and much further in {far} of {len(distances)} pairs, when a server "
        "that copies loses half and more, and sendfile hardly anything.",
        tuple(_finding(contest, near) for contest in contests),
    )


def _measure(setup: Setup, subject: Subject, clients: int) -> list[_Contest]:
    service = setup.service
    rivals = {name: (service.get(subject.path), ask) for name, ask in others(setup, subject).items()}
    if "nginx sendfile" in rivals:
        rivals["nginx sendfile, ours by POST"] = (service.post(subject.body), rivals["nginx sendfile"][1])
    contests = [
        _Contest(
            what=f"{subject.label}, {clients} client{'s' if clients > 1 else ''}, to {name}",
            goal=_GOALS.get((name, clients)),
            ours=_Side(service.pids, ours),
            theirs=_Side(_pids_of(setup, theirs), theirs),
            slow=name == "FileResponse",
        )
        for name, (ours, theirs) in rivals.items()
    ]
    for round_number in range(setup.effort.rounds):
        for index in setup.draw.permutation(len(contests)):
            contest = contests[index]
            if contest.slow and round_number >= (setup.effort.rounds + 1) // (2 if clients == 1 else 4):
                continue
            times = max(1, round(_SAMPLE_BYTES / subject.size / clients))
            contest.pairs.append(_pair(setup, contest, clients=clients, times=times))
    return contests


def _finding(contest: _Contest, near: float) -> Finding:
    ratio = combine(contest.pairs, near=near)
    return Finding(
        what=contest.what,
        value=ratio.median,
        unit="x",
        samples=ratio.pairs,
        quartiles=ratio.quartiles,
        goal=contest.goal,
        note="; ".join(filter(None, [f"{contest.ours.said()} : {contest.theirs.said()}", ratio.said()])),
    )


def _pair(setup: Setup, contest: _Contest, *, clients: int, times: int) -> Pair:
    apart = setup.distance()
    foreign = proc.Foreign([os.getpid(), *setup.own_pids()])
    start = time.perf_counter()
    sides = ((contest.ours, times), (contest.theirs, 1 if contest.slow else times))
    for index in setup.draw.permutation(2):
        side, downloads = sides[index]
        _sample(setup, side, clients=clients, times=downloads)
    elapsed = time.perf_counter() - start
    ratio = contest.ours.rates[-1] / contest.theirs.rates[-1]
    return Pair(ratio, foreign.seconds() / elapsed, max(apart, setup.distance()))


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

"""How long until the first byte: against building with torch, and while others pull at full speed."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

from bench import proc, readers, servers
from bench.findings import Finding, Goal, Pair, Section, combine, quantile, spread
from bench.readers import Ask
from bench.servers import Server
from bench.setup import Setup, others
from bench.subjects import Subject
from learngenes.tensorfile import TensorFile

PULLS = 4


def measure(setup: Setup) -> Section:
    """Warm servers: both have built or sent each descendant before."""
    findings: list[Finding] = []
    with servers.torch_app(setup.place) as torch_app:
        _check(setup, torch_app)
        for subject in setup.both:
            findings += _against_torch(setup, torch_app, subject)
    findings += _under_load(setup)
    return Section(
        "First byte",
        "From connecting to the first byte of the body of POST /initialize on a warm service; the ratio is theirs to "
        "ours. `timm build` is a FastAPI app that for each request makes the model with timm, loads the learngene's "
        "tensors (kept in memory) into it, and sends what safetensors saves; `without init` is the same app on torch's "
        "meta device, which draws no random weights first. Samples of both sides alternate. `never asked before` is "
        f"another order of layers for each request. Under load: {PULLS} clients pull the large descendant at full speed "
        "from the server asked, and a new client asks for the small one every 10 ms.",
        tuple(findings),
    )


def _check(setup: Setup, torch_app: Server) -> None:
    """torch's answer holds our tensors; its header may differ."""
    ours = TensorFile(setup.small.file.read_bytes())
    for path in ("/initialize", "/initialize/meta"):
        theirs = TensorFile(readers.fetch(Ask(torch_app.port, path, setup.small.body)))
        assert ours.tensors.keys() == theirs.tensors.keys()
        assert all(ours.raw(name) == theirs.raw(name) for name in ours.tensors), f"{path} sends other weights"
    setup.reader.run(readers.first_bytes, torch_app.post(setup.large.body), times=1, drain=True)


def _against_torch(setup: Setup, torch_app: Server, subject: Subject) -> list[Finding]:
    ours: list[float] = []
    fresh: list[float] = []
    build: list[float] = []
    meta: list[float] = []
    contests: dict[str, list[Pair]] = {"timm build": [], "timm build without init": [], "fresh": []}
    block = max(1, setup.effort.probes // setup.effort.builds)
    for number in range(setup.effort.builds):
        foreign = proc.Foreign([os.getpid(), *setup.own_pids(), torch_app.pid])
        start = time.perf_counter()

        def known() -> None:
            ours.extend(_probe(setup, setup.service.post(subject.body), times=block))

        def unknown(number: int = number) -> None:
            for i in range(block // 4 + 1):
                fresh.extend(_probe(setup, setup.service.post(subject.other_layers(1000 * number + i)), times=1))

        def with_timm() -> None:
            build.extend(_probe(setup, torch_app.post(subject.body), times=1))

        def without_init() -> None:
            meta.extend(_probe(setup, Ask(torch_app.port, "/initialize/meta", subject.body), times=1))

        steps: list[Callable[[], None]] = [known, unknown, with_timm, without_init]
        for index in setup.draw.permutation(len(steps)):
            steps[index]()
        cores = foreign.seconds() / (time.perf_counter() - start)
        usual, new = statistics.median(ours[-block:]), statistics.median(fresh[-(block // 4 + 1) :])
        contests["timm build"].append(Pair(build[-1] / usual, cores))
        contests["timm build without init"].append(Pair(meta[-1] / usual, cores))
        contests["fresh"].append(Pair(build[-1] / new, cores))
    goal = Goal(">=", 100)
    name = subject.label
    return [
        _finding(f"{name}, timm build to ours", contests["timm build"], (build, ours), goal),
        _finding(f"{name}, timm build to ours, never asked before", contests["fresh"], (build, fresh), None),
        _finding(f"{name}, timm build without init to ours", contests["timm build without init"], (meta, ours), None),
    ]


def _finding(what: str, pairs: list[Pair], sides: tuple[list[float], list[float]], goal: Goal | None) -> Finding:
    ratio = combine(pairs)
    note = f"p50/p99 {spread(sides[0])} : {spread(sides[1])}"
    return Finding(
        what=what,
        value=ratio.median,
        unit="x",
        samples=ratio.pairs,
        quartiles=ratio.quartiles,
        goal=goal,
        note="; ".join(filter(None, [note, ratio.said()])),
    )


def _under_load(setup: Setup) -> list[Finding]:
    rivals = {"ours": (setup.service.post(setup.small.body), setup.service.get(setup.large.path))}
    large = others(setup, setup.large)
    rivals |= {name: (ask, large[name]) for name, ask in others(setup, setup.small).items()}
    took = {name: _beside(setup, probe, load) for name, (probe, load) in rivals.items()}
    ours = took.pop("ours")
    middle = quantile(ours, 0.5)
    return [
        Finding(
            what=f"while {PULLS} pull at full speed, {name} to ours",
            value=quantile(theirs, 0.5) / middle,
            unit="x",
            samples=min(len(theirs), len(ours)),
            note=f"p50/p99 {spread(theirs)} : {spread(ours)}",
        )
        for name, theirs in took.items()
    ]


def _beside(setup: Setup, probe: Ask, load: Ask) -> list[float]:
    pulling = setup.load.start(readers.pull_for, load, clients=PULLS, seconds=setup.effort.seconds)
    time.sleep(0.2)
    took: list[float] = []
    while not pulling.done() and len(took) < setup.effort.probes:
        took += setup.reader.run(readers.first_bytes, probe, times=1, drain=False, pause_seconds=0.01)
    pulling.result()
    return took


def _probe(setup: Setup, ask: Ask, *, times: int) -> list[float]:
    return setup.reader.run(readers.first_bytes, ask, times=times, drain=True)

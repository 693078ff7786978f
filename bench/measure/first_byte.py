"""How long until the first byte: against building with torch, and while others pull at full speed."""

from __future__ import annotations

import os
import statistics
import time

from bench import proc, readers, servers
from bench.findings import Finding, Goal, Pair, Section, combine, quantile, spread
from bench.readers import Ask
from bench.servers import Server
from bench.setup import Setup, others
from bench.subjects import Subject
from learngenes.tensorfile import TensorFile

PULLS = 4
OURS, FRESH, TIMM, META = "ours", "ours never asked before", "timm build", "timm build without init"


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
        "From connecting to the first byte of the body of POST /initialize on a warm service. The ratio is theirs to "
        "ours: below 1 they are sooner. `timm build` is a FastAPI app that for each request makes the model with timm, "
        "loads the learngene's tensors (kept in memory) into it, and sends what safetensors saves; `without init` is "
        "the same app on torch's meta device, which draws no random weights first. Samples of both sides alternate. "
        "`never asked before` is another order of layers each time, which the service has to keep on disk first. "
        f"Under load: {PULLS} clients pull the large descendant at full speed from the server asked, and a new client "
        "asks for the small one every 10 ms.",
        tuple(findings),
    )


def _check(setup: Setup, torch_app: Server) -> None:
    """torch's answer holds our tensors; its header may differ."""
    ours = TensorFile(setup.small.file.read_bytes())
    for path in ("/initialize", "/initialize/meta"):
        theirs = TensorFile(readers.fetch(Ask(torch_app.port, path, setup.small.body)))
        assert ours.tensors.keys() == theirs.tensors.keys()
        assert all(ours.raw(name) == theirs.raw(name) for name in ours.tensors), f"{path} sends other weights"
    setup.reader.run(readers.first_byte, torch_app.post(setup.large.body))


def _against_torch(setup: Setup, torch_app: Server, subject: Subject) -> list[Finding]:
    blocks = max(1, setup.effort.builds)
    known, fresh = max(1, setup.effort.probes // blocks), max(1, setup.effort.probes // blocks // 4)
    meta = Ask(torch_app.port, "/initialize/meta", subject.body)
    sides: dict[str, list[Ask]] = {
        OURS: [setup.service.post(subject.body)] * known,
        FRESH: [],
        TIMM: [torch_app.post(subject.body)],
        META: [meta],
    }
    took: dict[str, list[list[float]]] = {name: [] for name in sides}
    cores: list[float] = []
    for block in range(blocks):
        sides[FRESH] = [setup.service.post(subject.other_layers(block * fresh + i)) for i in range(fresh)]
        foreign = proc.Foreign([os.getpid(), *setup.own_pids(), torch_app.pid])
        start = time.perf_counter()
        for name in setup.draw.permutation(list(sides)):
            took[name].append([setup.reader.run(readers.first_byte, ask) for ask in sides[name]])
        cores.append(foreign.seconds() / (time.perf_counter() - start))
    contests = [(TIMM, OURS, Goal(">=", 100)), (TIMM, FRESH, None), (META, OURS, None)]
    findings = []
    for theirs, ours, goal in contests:
        medians = [[statistics.median(samples) for samples in took[side]] for side in (theirs, ours)]
        ratio = combine([Pair(one / other, noise) for one, other, noise in zip(*medians, cores, strict=True)])
        spreads = [spread([second for samples in took[side] for second in samples]) for side in (theirs, ours)]
        findings.append(
            Finding(
                what=f"{subject.label}, {theirs} to {ours}",
                value=ratio.median,
                unit="x",
                samples=ratio.pairs,
                quartiles=ratio.quartiles,
                goal=goal,
                note="; ".join(filter(None, [f"p50/p99 {spreads[0]} : {spreads[1]}", ratio.said()])),
            )
        )
    return findings


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
        took.append(setup.reader.run(readers.first_byte, probe, drain=False))
        time.sleep(0.01)
    pulling.result()
    return took

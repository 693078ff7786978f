"""How fast computed tensors are made, beside copying as many bytes: templates (WAVE) and base plus slope (TLEG)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench import proc
from bench.findings import Finding, Pair, Section, combine
from bench.setup import Setup
from learngenes.formulas import compute, kron_sum
from learngenes.sources import Affine, Stored
from learngenes.tensorfile import TensorFile, write

SHAPES = {"384 wide": (1536, 384), "768 wide": (3072, 768)}
"""fc1 of the two widths."""
TEMPLATES = ((64, 4), (64, 16), (192, 12))
"""Side and number of the templates."""
SAMPLE_SECONDS = 0.1
"""A sample is repeated for so long: the kernel counts what others use in ticks of 10 ms."""


def measure(setup: Setup) -> Section:
    """Each sample stands beside a copy of the same number of bytes into memory that is there already; one thread."""
    draw = np.random.default_rng(0)
    findings = []
    for name, (rows, columns) in SHAPES.items():
        copied = draw.normal(size=(rows, columns)).astype(np.float32)
        into = np.empty_like(copied)
        copy = _partial(np.copyto, into, copied)
        stored = {"base": copied, "slope": copied[::-1].copy()}
        reader = TensorFile(b"".join(write(stored, "F32")))
        source = Affine(Stored("base"), Stored("slope"), 0.25)
        affine = _partial(compute, source, copied.shape, reader)
        findings.append(_finding(f"base + slope, {name}", affine, copy, setup))
        for side, terms in TEMPLATES:
            scalers = draw.normal(size=(terms, rows // side, columns // side)).astype(np.float32)
            templates = draw.normal(size=(terms, side, side)).astype(np.float32)
            what = f"{terms} templates of {side} x {side}, {name}"
            findings.append(_finding(what, _partial(kron_sum, scalers, templates), copy, setup))
            findings.append(
                _finding(
                    f"{what}, to summing np.kron",
                    _partial(kron_sum, scalers, templates),
                    _partial(_naive, scalers, templates),
                    setup,
                )
            )
    return Section(
        "Computing tensors",
        "Time of a plain copy of the result, or of summing np.kron, divided by the time of our formula, which keeps "
        "one order of summation so that bytes are the same on every processor. One fc1 tensor, float32.",
        tuple(findings),
    )


def _finding(what: str, ours: Callable[[], Any], theirs: Callable[[], Any], setup: Setup) -> Finding:
    pairs = []
    times = [max(1, round(SAMPLE_SECONDS / _seconds(work, 3))) for work in (ours, theirs)]
    for _ in range(2 * setup.effort.starts):
        foreign = proc.Foreign([os.getpid(), *setup.own_pids()])
        copied, computed = _seconds(theirs, times[1]), _seconds(ours, times[0])
        pairs.append(Pair(copied / computed, foreign.seconds() / (2 * SAMPLE_SECONDS)))
    ratio = combine(pairs)
    return Finding(what, ratio.median, "x", ratio.pairs, ratio.quartiles, note=ratio.said())


def _seconds(work: Callable[[], Any], times: int) -> float:
    """Of one call, over so many."""
    began = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - began) / times


def _naive(scalers: Any, templates: Any) -> Any:
    return sum(np.kron(s, t) for s, t in zip(scalers, templates, strict=True))


def _partial(function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    return lambda: function(*arguments)

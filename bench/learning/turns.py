"""Our loop and the bare one in turns: the bare one runs inside of ours, between two of its steps.

`loop.fit` asks after every step whether to stop. The answer is where a turn ends: the clock is read, the bare loop
has its turn, the clock is read again. So our turns hold all that a step of ours costs (order, cut and normalised
batch, seeds, rate, events), and each stands beside one of the bare loop on the same core in the same second.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from bench import proc
from bench.findings import Pair
from bench.learning import bare
from bench.learning.cases import CLASSES, Case
from bench.learning.peak import now
from learngenes.job import DataOptions, TrainingOptions
from learngenes.training import loop
from learngenes.training.device import Place
from learngenes.training.losses import Distillation, Supervised, TrainingTask
from learngenes.training.vit import describe_input

WARM = 2
"""Turns before those that count."""
DATA = DataOptions("digits:train", "digits:test", augment="light", padding=4)
"""How images are varied; where they come from is not looked at."""


class Noise:
    """So many random images of a side."""

    def __init__(self, count: int, side: int) -> None:
        draw = np.random.default_rng(0)
        self._count = count
        self._pixels = draw.integers(0, 256, (min(count, 512), side, side, 3), dtype=np.uint8)
        self._labels = draw.integers(0, CLASSES, count)

    @property
    def classes(self) -> tuple[str, ...]:
        """Their numbers."""
        return tuple(map(str, range(CLASSES)))

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.fromarray(self._pixels[index % len(self._pixels)]), int(self._labels[index])


@dataclass(frozen=True, slots=True)
class Turn:
    """Seconds of a step of ours and of the bare loop's, and what other processes used of a core meanwhile."""

    ours: float
    bare: float
    foreign_cores: float

    @property
    def pair(self) -> Pair:
        """How fast ours is: 1 as fast as the bare loop, less if slower."""
        return Pair(self.bare / self.ours, self.foreign_cores)


class _Turns:
    """What fit asks after each step; says stop after the last turn."""

    def __init__(self, case: Case, step: Callable[[], None], device: torch.device) -> None:
        self._case, self._step, self._device = case, step, device
        self._done = 0
        self._foreign, self._clock = proc.Foreign([os.getpid()]), time.perf_counter()
        self._began = now(device)
        self.turns: list[Turn] = []

    def __call__(self) -> bool:
        self._done += 1
        if self._done < self._case.steps:
            return False
        ours = now(self._device) - self._began
        between = now(self._device)
        for _ in range(self._case.steps):
            self._step()
        bare = now(self._device) - between
        used = self._foreign.seconds() / (time.perf_counter() - self._clock)
        self.turns.append(Turn(ours / self._case.steps, bare / self._case.steps, used))
        self._done = 0
        self._foreign, self._clock = proc.Foreign([os.getpid()]), time.perf_counter()
        self._began = now(self._device)
        return len(self.turns) == WARM + self._case.pairs


def measure(case: Case, place: Place) -> list[Turn]:
    """The turns of a case after the warm ones, in their order."""
    turns = _Turns(case, bare.loop(case, place.device), place.device)
    training = TrainingOptions(
        epochs=1, batch=case.batch, learning_rate=1e-4, precision=case.precision, fused_attention=case.fused
    )
    student = bare.network(case)
    describe_input(student, mean=DATA.mean, std=DATA.std)
    with tempfile.TemporaryDirectory(prefix="learngenes-bench-") as folder:
        phase = loop.Phase(
            name="measured",
            task=_task(case, student, place.device),
            model=student,
            training=training,
            data=DATA,
            geometry=case.geometry,
            train=Noise((WARM + case.pairs) * case.steps * case.batch + case.batch, case.geometry.image),
            test=Noise(1, case.geometry.image),
            seed=0,
            identity={},
            checkpoint=Path(folder) / "measured.safetensors",
        )
        loop.fit(phase, place=place, report=lambda event: None, stop=turns)
    return turns.turns[WARM:]


def _task(case: Case, student: nn.Module, device: torch.device) -> TrainingTask:
    taught = bare.teacher(case)
    if taught is None:
        return Supervised(student, label_smoothing=0.0, precision=case.precision, device=device)
    describe_input(taught, mean=DATA.mean, std=DATA.std)
    return Distillation(
        student, taught, alpha=1.0, temperature=1.0, label_smoothing=0.0, precision=case.precision, device=device
    )

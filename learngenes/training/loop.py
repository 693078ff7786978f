"""The training loop: one optimisation from its first step, or from where it was stopped, to its last."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from timm.optim import create_optimizer_v2
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from learngenes.families.vit import Geometry
from learngenes.job import DataOptions, Report, Stopped, TrainingOptions
from learngenes.training import checkpoint
from learngenes.training.augment import Mixing, Normalise, TrainingBatches
from learngenes.training.checkpoint import Progress
from learngenes.training.data import ImageSet
from learngenes.training.device import Place, loaded
from learngenes.training.evaluate import Examination
from learngenes.training.events import PhaseEvents
from learngenes.training.losses import TrainingTask
from learngenes.training.usage import usage


@dataclass(frozen=True, slots=True)
class Phase:
    """One optimisation. model: the trainable network inside the task; identity: what a checkpoint has to match.

    identity: of the job's parts that decide this phase, see job.identity.
    """

    name: str
    task: TrainingTask
    model: nn.Module
    training: TrainingOptions
    data: DataOptions
    geometry: Geometry
    train: ImageSet
    test: ImageSet
    seed: int
    identity: dict[str, Any]
    checkpoint: Path


@dataclass(frozen=True, slots=True)
class Fitted:
    """model: with the averaged weights if there were any; seconds: in all runs; correct of n: on the test set."""

    model: nn.Module
    steps: int
    seconds: float
    correct: int
    n: int


def rate(step: int, training: TrainingOptions, *, epoch_steps: int) -> float:
    """Learning rate of a step counted from 0: linear from warmup_lr, then a cosine that ends at min_lr."""
    warmup = round(training.warmup_epochs * epoch_steps)
    if step < warmup:
        return training.warmup_lr + (training.learning_rate - training.warmup_lr) * step / warmup
    share = (step - warmup) / max(1, training.epochs * epoch_steps - 1 - warmup)
    return training.min_lr + (training.learning_rate - training.min_lr) * (1 + math.cos(math.pi * share)) / 2


def fit(
    phase: Phase, *, place: Place, report: Report, stop: Callable[[], bool], clock: Callable[[], float] = time.monotonic
) -> Fitted | Stopped:
    """Train to the end, or to the first step after `stop()`; either way the checkpoint says how far.

    Resumes phase.checkpoint if it exists. On one machine, device and number of ranks the losses are then those of
    an uninterrupted run, bit for bit on a CPU. With several ranks the run directory is shared.
    """
    training = phase.training
    phase.task.to(place.device)
    batches = _training_batches(phase, place)
    steps = training.epochs * batches.epoch_steps
    state = _State.fresh(phase)
    progress = state.load() if phase.checkpoint.exists() else Progress()
    events = PhaseEvents(
        report,
        phase=phase.name,
        steps=steps,
        epoch_steps=batches.epoch_steps,
        batch=training.batch,
        usage=partial(usage, place.device),
    )
    events.start(progress.step)
    if progress.step == steps:
        return state.fitted(progress)
    _prepare(phase, place)
    update = _Update(phase, state, place)
    examine = Examination(phase.test, data=phase.data, geometry=phase.geometry, training=training, place=place)
    began = saved = clock()
    before = progress.seconds
    events.resume(progress.step, now=began)

    for step, (pixels, labels) in loaded(batches, range(progress.step, steps), workers=training.workers, place=place):
        learning_rate = rate(step, training, epoch_steps=batches.epoch_steps)
        loss, stopping = _agree(place, update(step, pixels, labels, learning_rate=learning_rate), stop())
        now, done = clock(), step + 1
        progress = replace(progress, step=done, seconds=before + now - began, images=done * training.batch)
        epoch_ends = done % batches.epoch_steps == 0
        if epoch_ends or events.silent_since(now) >= training.report_seconds:
            events.step(done, loss=float(loss), learning_rate=learning_rate, now=now)
        if epoch_ends:
            correct, n = examine(state.kept)
            progress = replace(progress, seconds=before + clock() - began, correct=correct, n=n)
            events.epoch(done, correct=correct, n=n, seconds=progress.seconds, now=clock())
        if place.leads and (epoch_ends or stopping or now - saved >= training.checkpoint_minutes * 60):
            state.save(progress)
            saved = clock()
            events.checkpoint(done)
        if stopping and done < steps:
            return Stopped(phase.name, done, steps)
    return state.fitted(progress)


def _training_batches(phase: Phase, place: Place) -> TrainingBatches:
    return TrainingBatches(
        phase.train,
        options=phase.data,
        geometry=phase.geometry,
        batch=phase.training.batch,
        seed=phase.seed,
        rank=place.rank,
        world=place.world,
    )


def _prepare(phase: Phase, place: Place) -> None:
    """The task for training: compiled, wrapped for several ranks."""
    if phase.training.compile:
        phase.task.compile()
    if place.world > 1:
        phase.task.prepare_distributed(device_ids=[place.device.index] if place.device.type == "cuda" else None)
    phase.task.train()


class _Update:
    """One step of the optimizer on one batch."""

    def __init__(self, phase: Phase, state: _State, place: Place) -> None:
        self._phase, self._state = phase, state
        self._mixing = Mixing(
            phase.data,
            phase.training,
            classes=phase.geometry.classes,
            seed=phase.seed,
            rank=place.rank,
            device=place.device,
        )
        self._normalise = Normalise(phase.data).to(place.device)

    def __call__(self, step: int, pixels: Tensor, labels: Tensor, *, learning_rate: float) -> Tensor:
        """The loss before the step, on the device. pixels: uint8 (B, C, H, W)."""
        model, optimizer, ema = self._phase.model, self._state.optimizer, self._state.ema
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        images, target = self._mixing(self._normalise(pixels), labels, step=step)
        loss: Tensor = self._phase.task(images, target)["loss"]
        loss.backward()  # type: ignore[no-untyped-call]
        if self._phase.training.clip_grad:
            nn.utils.clip_grad_norm_(model.parameters(), self._phase.training.clip_grad)
        optimizer.step()
        optimizer.zero_grad()
        if ema is not None:
            ema.update(model, step=step + 1)
        return loss.detach()


def _average(model: nn.Module, training: TrainingOptions) -> ModelEmaV3 | None:
    """The averaged weights. Buffers are copied: timm's update of all state would average a shared block repeatedly."""
    if not training.ema_decay:
        return None
    return ModelEmaV3(model, decay=training.ema_decay, use_warmup=True, exclude_buffers=True)


def _agree(place: Place, loss: Tensor, stopping: bool) -> tuple[Tensor | float, bool]:
    """Mean loss over the ranks, and whether any of them was asked to stop."""
    if place.world == 1:
        return loss, stopping
    total, wishes = place.total([float(loss), float(stopping)])
    return total / place.world, wishes > 0


@dataclass(frozen=True, slots=True)
class _State:
    """What a checkpoint of this phase covers."""

    phase: Phase
    optimizer: torch.optim.Optimizer
    ema: ModelEmaV3 | None

    @classmethod
    def fresh(cls, phase: Phase) -> _State:
        """AdamW that spares what timm spares, and the averaged weights if there are any."""
        training = phase.training
        optimizer = create_optimizer_v2(
            phase.model, opt="adamw", lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
        )
        return cls(phase, optimizer, _average(phase.model, training))

    @property
    def kept(self) -> nn.Module:
        """The network whose weights count in the end."""
        return self.phase.model if self.ema is None else self.ema.module

    def fitted(self, progress: Progress) -> Fitted:
        return Fitted(self.kept, progress.step, progress.seconds, progress.correct, progress.n)

    def save(self, progress: Progress) -> None:
        phase = self.phase
        checkpoint.save(
            phase.checkpoint,
            progress,
            identity=phase.identity,
            model=phase.model,
            ema=None if self.ema is None else self.ema.module,
            optimizer=self.optimizer,
        )

    def load(self) -> Progress:
        phase = self.phase
        return checkpoint.load(
            phase.checkpoint,
            identity=phase.identity,
            model=phase.model,
            ema=None if self.ema is None else self.ema.module,
            optimizer=self.optimizer,
        )

"""The training loop: one optimisation from its first step, or from where it was stopped, to its last."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from timm.optim import create_optimizer_v2
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.utils.data import DataLoader

from learngenes.families.vit import Geometry
from learngenes.job import DataOptions, Report, Stopped, TrainingOptions
from learngenes.training import checkpoint
from learngenes.training.augment import Mixing, Normalise, TestBatches, TrainingBatches
from learngenes.training.checkpoint import Progress
from learngenes.training.data import ImageSet
from learngenes.training.device import Place
from learngenes.training.evaluate import accuracy
from learngenes.training.losses import TrainingTask


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
    training, model, task = phase.training, phase.model, phase.task
    task.to(place.device)
    optimizer = create_optimizer_v2(
        model, opt="adamw", lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
    )
    ema = _average(model, training)
    batches = TrainingBatches(
        phase.train,
        options=phase.data,
        geometry=phase.geometry,
        batch=training.batch,
        seed=phase.seed,
        rank=place.rank,
        world=place.world,
    )
    steps = training.epochs * batches.epoch_steps
    state = _State(phase, optimizer, ema)
    progress = state.load() if phase.checkpoint.exists() else Progress()
    report({"event": "start", "phase": phase.name, "step": progress.step, "steps": steps})
    if progress.step == steps:
        return _fitted(phase, ema, progress)
    if training.compile:
        task.compile()
    if place.world > 1:
        task.prepare_distributed(device_ids=[place.device.index] if place.device.type == "cuda" else None)
    task.train()
    classes = phase.geometry.classes
    mixing = Mixing(phase.data, training, classes=classes, seed=phase.seed, rank=place.rank, device=place.device)
    normalise = Normalise(phase.data).to(place.device)
    test = TestBatches(phase.test, options=phase.data, geometry=phase.geometry)
    began = reported = saved = clock()
    before, reported_step = progress.seconds, progress.step

    for step, (pixels, labels) in _load(batches, range(progress.step, steps), training.workers, place):
        learning_rate = rate(step, training, epoch_steps=batches.epoch_steps)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        images, target = mixing(normalise(pixels), labels, step=step)
        loss = task(images, target)["loss"]
        loss.backward()
        if training.clip_grad:
            nn.utils.clip_grad_norm_(model.parameters(), training.clip_grad)
        optimizer.step()
        optimizer.zero_grad()
        if ema is not None:
            ema.update(model, step=step + 1)
        stopping = stop()
        if place.world > 1:
            mean, stopping = _agree(place, loss, stopping)
        now, done = clock(), step + 1
        progress = Progress(done, before + now - began, progress.correct, progress.n)
        epoch_ends = done % batches.epoch_steps == 0
        if epoch_ends or now - reported >= training.report_seconds:
            value = mean if place.world > 1 else float(loss.detach())
            speed = (done - reported_step) * training.batch / max(now - reported, 1e-9)
            report(
                {
                    "event": "step",
                    "phase": phase.name,
                    "step": done,
                    "steps": steps,
                    "epoch": step // batches.epoch_steps,
                    "loss": value,
                    "lr": learning_rate,
                    "images_per_second": round(speed, 1),
                }
            )
            reported, reported_step = now, done
        if epoch_ends:
            kept = model if ema is None else ema.module
            place.align(kept.buffers())  # running statistics of norms, which each rank has from its own images
            shown = (
                pair for _, pair in _load(test, range(place.rank, len(test), place.world), training.workers, place)
            )
            counts = place.total([*accuracy(kept, shown, normalise=normalise, precision=training.precision)])
            progress = Progress(done, before + clock() - began, int(counts[0]), int(counts[1]))
            report(
                {
                    "event": "epoch",
                    "phase": phase.name,
                    "step": done,
                    "steps": steps,
                    "epoch": step // batches.epoch_steps,
                    "accuracy": progress.correct / progress.n,
                    "n": progress.n,
                    "seconds": round(progress.seconds, 1),
                }
            )
            reported = clock()
        if place.leads and (epoch_ends or stopping or now - saved >= training.checkpoint_minutes * 60):
            state.save(progress)
            saved = clock()
            report({"event": "checkpoint", "phase": phase.name, "step": done, "steps": steps})
        if stopping and done < steps:
            return Stopped(phase.name, done, steps)
    return _fitted(phase, ema, progress)


def _average(model: nn.Module, training: TrainingOptions) -> ModelEmaV3 | None:
    """The averaged weights. Buffers are copied: timm's update of all state would average a shared block repeatedly."""
    if not training.ema_decay:
        return None
    return ModelEmaV3(model, decay=training.ema_decay, use_warmup=True, exclude_buffers=True)


def _load(
    batches: TrainingBatches | TestBatches, indices: range, workers: int, place: Place
) -> Iterator[tuple[int, tuple[Tensor, Tensor]]]:
    """(index, batch on the device) for each index, prepared by the workers."""
    cuda = place.device.type == "cuda"
    loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
        batches, batch_size=None, sampler=indices, num_workers=workers, pin_memory=cuda
    )
    for index, (pixels, labels) in zip(indices, loader, strict=True):
        yield index, (pixels.to(place.device, non_blocking=cuda), labels.to(place.device, non_blocking=cuda))


def _agree(place: Place, loss: Tensor, stopping: bool) -> tuple[float, bool]:
    """Mean loss over the ranks, and whether any of them was asked to stop."""
    total, wishes = place.total([float(loss.detach()), float(stopping)])
    return total / place.world, wishes > 0


def _fitted(phase: Phase, ema: ModelEmaV3 | None, progress: Progress) -> Fitted:
    kept = phase.model if ema is None else ema.module
    return Fitted(kept, progress.step, progress.seconds, progress.correct, progress.n)


@dataclass(frozen=True, slots=True)
class _State:
    """What a checkpoint of this phase covers."""

    phase: Phase
    optimizer: torch.optim.Optimizer
    ema: ModelEmaV3 | None

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

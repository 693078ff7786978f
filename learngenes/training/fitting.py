"""Fitting a network to a size: so many steps on a slice of the images, in one process."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor, nn

from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry
from learngenes.fit_job import FitJob
from learngenes.gene import Manifest
from learngenes.job import Report, Stopped, identity
from learngenes.training import checkpoint
from learngenes.training.augment import Normalise, TrainingBatches, seed_process
from learngenes.training.checkpoint import Progress
from learngenes.training.data import Slice, check_classes, open_images
from learngenes.training.device import hardware, joined, loaded
from learngenes.training.events import PhaseEvents
from learngenes.training.losses import Supervised, TrainingTask
from learngenes.training.usage import usage
from learngenes.training.vit import choose_attention, describe_input

_SLICE, _DRAWS = 7, 8
"""Keys that keep the uses of the job's seed apart."""
Task = Callable[[nn.Module, torch.device], TrainingTask]
"""What a network on a device learns."""
PHASE = "fit"
REPORT_SECONDS, CHECKPOINT_SECONDS = 5.0, 60.0


@dataclass(frozen=True, slots=True)
class Fitted:
    """The network after its last step, and what the manifest says of how it came to be."""

    model: nn.Module
    record: dict[str, Any]


def rate(step: int, job: FitJob) -> float:
    """Learning rate of a step counted from 0: up in a straight line over the warm-up, then a cosine towards zero."""
    warmup = round(job.warmup * job.steps)
    if step < warmup:
        return job.learning_rate * (step + 1) / warmup
    return job.learning_rate * (1 + math.cos(math.pi * (step - warmup) / max(1, job.steps - warmup))) / 2


def fitting(
    job: FitJob,
    manifest: Manifest,
    build: Callable[[], nn.Module],
    *,
    geometry: Geometry,
    run: Path,
    data: Path,
    report: Report,
    stop: Callable[[], bool],
    task: Task | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Fitted | Stopped:
    """Train what `build` makes by `task`, without one on the images' labels; only parameters with requires_grad change.

    geometry: of the network; manifest: of the learngene that is fitted, whose images and classes these have to be.
    The same job gives the same values, in one go or stopped and continued in `run`: bit for bit on a CPU.
    """
    with joined(alone=True) as place:
        images = _slice(job, manifest, data=data)
        seed_process(job.seed, _DRAWS)
        model = build()
        describe_input(model, mean=job.data.mean, std=job.data.std)
        choose_attention(model, fused=False)
        learns = [parameter for parameter in model.parameters() if parameter.requires_grad]
        learning = _labelled(model, job, place.device) if task is None else task(model, place.device)
        learning.to(place.device)
        optimizer = torch.optim.AdamW(learns, lr=job.learning_rate, weight_decay=0.0)
        state = _State(run / f"{PHASE}.safetensors", {**identity(job), "manifest": manifest.digest}, model, optimizer)
        progress = state.load() if state.path.exists() else Progress()
        batch = min(job.batch, len(images))
        batches = TrainingBatches(images, options=job.data, geometry=geometry, batch=batch, seed=job.seed)
        events = PhaseEvents(
            report,
            phase=PHASE,
            steps=job.steps,
            epoch_steps=batches.epoch_steps,
            batch=batch,
            usage=partial(usage, place.device),
        )
        events.start(progress.step)
        normalise = Normalise(job.data).to(place.device)
        began = saved = clock()
        before = progress.seconds
        events.resume(progress.step, now=began)
        learning.train()
        for step, (pixels, labels) in loaded(batches, range(progress.step, job.steps), workers=0, place=place):
            loss = _update(learning, optimizer, normalise(pixels), labels, learning_rate=rate(step, job))
            now, done, stopping = clock(), step + 1, stop()
            progress = Progress(done, before + now - began, images=done * batch)
            if done == job.steps or events.silent_since(now) >= REPORT_SECONDS:
                events.step(done, loss=float(loss), learning_rate=rate(step, job), now=now)
            if stopping or done == job.steps or now - saved >= CHECKPOINT_SECONDS:
                state.save(progress)
                saved = now
                events.checkpoint(done)
            if stopping and done < job.steps:
                return Stopped(PHASE, done, job.steps)
        made = {
            "train": job.data.train,
            "test": job.data.test,
            "train_n": len(images),
            "options": job.options,
            "steps": job.steps,
            "batch": batch,
            "learning_rate": job.learning_rate,
            "parameters": sum(parameter.numel() for parameter in learns),
            "seed": job.seed,
            "seconds": round(progress.seconds, 1),
            "versions": {"torch": torch.__version__, "timm": timm.__version__, "python": platform.python_version()},
            "hardware": hardware(place),
        }
        return Fitted(model, made)


def _labelled(model: nn.Module, job: FitJob, device: torch.device) -> TrainingTask:
    """What the images' labels say."""
    return Supervised(model, label_smoothing=0.0, precision=job.precision, device=device)


def _slice(job: FitJob, manifest: Manifest, *, data: Path) -> Slice:
    """The images to train on, drawn by the seed; InvalidValue unless they and the test's suit the learngene."""
    job.check_input(manifest)
    train, test = open_images(job.data.train, data=data), open_images(job.data.test, data=data)
    check_classes(train, test, classes=manifest.geometry.classes)
    if manifest.labels and manifest.labels != train.classes:
        raise InvalidValue(
            f"learngene {manifest.reference} knows the classes {', '.join(manifest.labels[:3])}, ... and the images "
            f"show {', '.join(train.classes[:3])}, ...; fit on images of its own classes, then ask for other labels"
        )
    order = np.random.default_rng((job.seed, _SLICE)).permutation(len(train))
    return Slice(train, sorted(int(i) for i in order[: job.images or None]))


def _update(
    task: TrainingTask, optimizer: torch.optim.Optimizer, x_BCHW: Tensor, labels_B: Tensor, *, learning_rate: float
) -> Tensor:
    """One step; the loss before it."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    loss: Tensor = task(x_BCHW, labels_B)["loss"]
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


@dataclass(frozen=True, slots=True)
class _State:
    """What a checkpoint covers."""

    path: Path
    identity: dict[str, Any]
    model: nn.Module
    optimizer: torch.optim.Optimizer

    def save(self, progress: Progress) -> None:
        checkpoint.save(
            self.path, progress, identity=self.identity, model=self.model, ema=None, optimizer=self.optimizer
        )

    def load(self) -> Progress:
        return checkpoint.load(self.path, identity=self.identity, model=self.model, ema=None, optimizer=self.optimizer)

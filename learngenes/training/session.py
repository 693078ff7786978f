"""One learning run in torch: its images, its ancestor, its phases of training, and the record of it all.

with session(job, run=run, data=data, report=report, stop=stop) as running:
    teacher = running.ancestor()
    if isinstance(teacher, Stopped):
        return teacher
    fitted = running.fit("auxiliary", lambda: build(job.geometry), teacher=teacher, alpha=0.5)
    if isinstance(fitted, Stopped):
        return fitted
    return Learned(tensors(fitted.model), facts, running.record(fitted, teacher=teacher))
"""

# B batch, C channels, H height, W width

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor, nn

from learngenes.job import LearnJob, Report, Stopped, TrainingOptions, identity
from learngenes.training import ancestor, vit
from learngenes.training.ancestor import Ancestor
from learngenes.training.augment import Normalise, TestBatches, mixes, seed_process
from learngenes.training.data import Images, Slice, check_classes, open_images
from learngenes.training.device import Place, hardware, joined
from learngenes.training.loop import Fitted, Phase, fit
from learngenes.training.losses import Distillation, Supervised, TrainingTask

_SAMPLE = 5
"""Key of the draw of a sample of the training images."""


@contextmanager
def session(
    job: LearnJob, *, run: Path, data: Path, report: Report, stop: Callable[[], bool], alone: bool = False
) -> Iterator[Session]:
    """A run of the job in the existing directory `run`, which holds its checkpoints; `data`: where paths start.

    The images of [data] are open and fit the geometry. Ranks beside the first compute and stay silent.
    alone: this process computes by itself even inside torchrun.
    """
    with joined(alone=alone) as place:
        images = None
        if job.data is not None:
            images = Images(open_images(job.data.train, data=data), open_images(job.data.test, data=data))
            check_classes(images.train, images.test, classes=job.geometry.classes)
        yield Session(job, place, images, run, data, report if place.leads else _silent, stop)


@dataclass(frozen=True, slots=True)
class Session:
    """What the phases of a run share. images: None for a job without [data]."""

    job: LearnJob
    place: Place
    images: Images | None
    run: Path
    data: Path
    report: Report
    stop: Callable[[], bool]
    _phases: list[str] = field(default_factory=list)

    def ancestor(self) -> Ancestor | Stopped | None:
        """The job's ancestor, loaded, or trained in a phase of its own; None when the job has none."""
        if self.job.ancestor is None:
            return None
        return ancestor.make(
            self.job.ancestor,
            self.job,
            images=self.images,
            run=self.run,
            data=self.data,
            place=self.place,
            report=self.report,
            stop=self.stop,
        )

    def fit(
        self,
        name: str,
        build: Callable[[], nn.Module],
        *,
        task: Callable[[nn.Module], TrainingTask] | None = None,
        teacher: Ancestor | None = None,
        alpha: float = 1.0,
        temperature: float = 1.0,
        training: TrainingOptions | None = None,
        identity: Mapping[str, Any] | None = None,
    ) -> Fitted | Stopped:
        """Train what `build` makes, or go on with what `<run>/<name>.safetensors` holds.

        name: of the phase; a run may have several, each with its own. They have to come in one order always: what each
        draws at random follows from the job's seed and its place in that order.
        build: makes the network, or returns one from an earlier phase. Only its parameters with requires_grad change.
        task: the loss, wrapped around the network; without one it is losses.Distillation of the teacher by these alpha
        and temperature, or losses.Supervised when there is no teacher.
        training: instead of the job's own. identity: JSON values that decide the outcome and do not stand in the job.
        """
        assert not isinstance(build, nn.Module), "build is a function: what it draws has to follow from the seed"
        assert name not in {*self._phases, "ancestor"}, f"two phases {name!r} would share one checkpoint"
        options, images = training or self.job.need_training(), self.images
        data = self.job.need_data()
        assert images is not None
        draws = 1 + len(self._phases) if self._phases else 0  # 1 is the ancestor's
        self._phases.append(name)
        seed_process(self.job.seed, draws)
        student = build()
        vit.describe_input(student, mean=data.mean, std=data.std)
        vit.choose_attention(student, fused=options.fused_attention)
        phase = Phase(
            name=name,
            task=self._task(student, teacher, options, alpha=alpha, temperature=temperature)
            if task is None
            else task(student),
            model=student,
            training=options,
            data=data,
            geometry=self.job.geometry,
            train=images.train,
            test=images.test,
            seed=self.job.seed + draws,
            identity={**_identity(self.job, data=self.data), **(identity or {})},
            checkpoint=self.run / f"{name}.safetensors",
        )
        return fit(phase, place=self.place, report=self.report, stop=self.stop)

    def sample(self, count: int, *, batch: int = 128) -> Iterator[Tensor]:
        """`count` training images, drawn by the seed and unvaried: normalised (B, C, H, W) on the device, in batches.

        All of them when there are fewer. The same on every rank.
        """
        data, images = self.job.need_data(), self.images
        assert images is not None
        order = np.random.default_rng((self.job.seed, _SAMPLE)).permutation(len(images.train))
        chosen = Slice(images.train, sorted(int(i) for i in order[:count]))
        batches = TestBatches(chosen, options=data, geometry=self.job.geometry, batch=batch)
        normalise = Normalise(data).to(self.place.device)
        for index in range(len(batches)):
            yield normalise(batches[index][0].to(self.place.device))

    def record(
        self, fitted: Fitted | None = None, *, teacher: Ancestor | None = None, training: TrainingOptions | None = None
    ) -> dict[str, Any]:
        """What a learngene's manifest says of its training; JSON values.

        fitted: the phase that made the learngene, if it was trained; training: its options, if not the job's own.
        """
        job = self.job
        made: dict[str, Any] = {}
        if job.data is not None and self.images is not None:
            made |= {
                "train": job.data.train,
                "test": job.data.test,
                "train_n": len(self.images.train),
                "classes": list(self.images.train.classes),
                "mean": list(job.data.mean),
                "std": list(job.data.std),
            }
        made["options"] = job.options
        if fitted is not None:
            options = training or job.need_training()
            made |= {"epochs": options.epochs, "batch": options.batch, "steps": fitted.steps}
        made["seed"] = job.seed
        if fitted is not None:
            made |= {
                "seconds": round(fitted.seconds, 1),
                "accuracy": fitted.correct / fitted.n,
                "accuracy_n": fitted.n,
            }
        return made | {
            "ancestor": None if teacher is None else teacher.record,
            "versions": {"torch": torch.__version__, "timm": timm.__version__, "python": platform.python_version()},
            "hardware": hardware(self.place),
        }

    def _task(
        self,
        student: nn.Module,
        teacher: Ancestor | None,
        training: TrainingOptions,
        *,
        alpha: float,
        temperature: float,
    ) -> TrainingTask:
        smoothing = label_smoothing(training)
        if teacher is None:
            return Supervised(
                student, label_smoothing=smoothing, precision=training.precision, device=self.place.device
            )
        return Distillation(
            student,
            teacher.model,
            alpha=alpha,
            temperature=temperature,
            label_smoothing=smoothing,
            precision=training.precision,
            device=self.place.device,
        )


def label_smoothing(training: TrainingOptions) -> float:
    """Of the loss: none where mixup or cutmix has already smoothed the labels."""
    return 0.0 if mixes(training) else training.label_smoothing


def _identity(job: LearnJob, *, data: Path) -> dict[str, Any]:
    """The whole job but its words: renaming a run does not stop it from resuming.

    The ancestor's checkpoint counts by its bytes: it may move, and another under the same name is another.
    """
    words = ("name", "license", "data.license", "description")
    found = {key: value for key, value in identity(job).items() if key not in words}
    if job.ancestor is not None and job.ancestor.checkpoint is not None:
        with (data / job.ancestor.checkpoint).open("rb") as file:
            found["ancestor.checkpoint"] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _silent(event: dict[str, Any]) -> None:
    """Ranks beside the first say nothing."""

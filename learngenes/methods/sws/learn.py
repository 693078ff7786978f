"""Learning by SWS: an auxiliary network with blocks shared by stage imitates an ancestor. IJCAI 2024, section 3.2."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch

from learngenes import config
from learngenes.errors import InvalidValue
from learngenes.job import Learned, LearnJob, Report, Stopped, identity
from learngenes.methods.sws.options import LearnOptions
from learngenes.training import ancestor, vit
from learngenes.training.augment import mixes, seed_process
from learngenes.training.data import ImageSet, check_classes, open_images
from learngenes.training.device import Place, hardware, joined
from learngenes.training.loop import Fitted, Phase, fit
from learngenes.training.losses import Distillation, Supervised, TrainingTask


def learn(job: LearnJob, *, run: Path, data: Path, report: Report, stop: Callable[[], bool]) -> Learned | Stopped:
    """Tensors `stages.<m>.<tensor of a block>` for every stage m, and the frame by timm's names; float32.

    run: an existing directory for checkpoints; a run that was stopped continues there, in whichever phase it was.
    """
    options = config.parse(job.options, LearnOptions, where="options")
    _check(job, options)
    with joined() as place:
        images = open_images(job.data.train, data=data), open_images(job.data.test, data=data)
        check_classes(*images, classes=job.geometry.classes)
        told: Report = report if place.leads else _silent
        teacher = None
        if job.ancestor is not None:
            made = ancestor.make(
                job.ancestor, job, images=images, run=run, data=data, place=place, report=told, stop=stop
            )
            if isinstance(made, Stopped):
                return made
            teacher = made
        seed_process(job.seed, 0)
        student = vit.auxiliary(job.geometry, options.stages, drop_path=job.training.drop_path)
        vit.describe_input(student, mean=job.data.mean, std=job.data.std)
        vit.choose_attention(student, fused=job.training.fused_attention)
        phase = Phase(
            name="auxiliary",
            task=_task(student, teacher, job, options, device=place.device),
            model=student,
            training=job.training,
            data=job.data,
            geometry=job.geometry,
            train=images[0],
            test=images[1],
            seed=job.seed,
            identity=_identity(job),
            checkpoint=run / "auxiliary.safetensors",
        )
        fitted = fit(phase, place=place, report=told, stop=stop)
        if isinstance(fitted, Stopped):
            return fitted
        tensors = vit.stage_tensors(fitted.model, options.stages)
        assert {name: t.shape for name, t in tensors.items()} == vit.stage_shapes(job.geometry, options.stages)
        return Learned(
            tensors, {"stages": list(options.stages)}, _record(job, fitted, images=images, teacher=teacher, place=place)
        )


def _check(job: LearnJob, options: LearnOptions) -> None:
    """InvalidValue for what two options contradict each other in, before anything is loaded."""
    if job.geometry.depth != sum(options.stages):
        raise InvalidValue(
            f"geometry.depth is {job.geometry.depth} and options.stages {list(options.stages)} sum to "
            f"{sum(options.stages)}; they have to agree"
        )
    if job.ancestor is None and options.alpha > 0:
        raise InvalidValue(
            f"alpha {options.alpha} weighs an ancestor and there is none; add [ancestor], or set options.alpha = 0"
        )
    if job.ancestor is not None and options.alpha == 0:
        raise InvalidValue("alpha 0 leaves the ancestor without a part; raise options.alpha or remove [ancestor]")


def _task(
    student: torch.nn.Module,
    teacher: ancestor.Ancestor | None,
    job: LearnJob,
    options: LearnOptions,
    *,
    device: torch.device,
) -> TrainingTask:
    smoothing = 0.0 if mixes(job.training) else job.training.label_smoothing
    precision = job.training.precision
    if teacher is None:
        return Supervised(student, label_smoothing=smoothing, precision=precision, device=device)
    return Distillation(
        student,
        teacher.model,
        alpha=options.alpha,
        temperature=options.temperature,
        label_smoothing=smoothing,
        precision=precision,
        device=device,
    )


def _identity(job: LearnJob) -> dict[str, Any]:
    """The whole job but its words: renaming a run does not stop it from resuming."""
    words = ("name", "license", "data.license", "description")
    return {key: value for key, value in identity(job).items() if key not in words}


def _record(
    job: LearnJob,
    fitted: Fitted,
    *,
    images: tuple[ImageSet, ImageSet],
    teacher: ancestor.Ancestor | None,
    place: Place,
) -> dict[str, Any]:
    """What a learngene's manifest says of its training; JSON values."""
    return {
        "train": job.data.train,
        "test": job.data.test,
        "train_n": len(images[0]),
        "classes": list(images[0].classes),
        "mean": list(job.data.mean),
        "std": list(job.data.std),
        "options": job.options,
        "epochs": job.training.epochs,
        "batch": job.training.batch,
        "steps": fitted.steps,
        "seed": job.seed,
        "seconds": round(fitted.seconds, 1),
        "accuracy": fitted.correct / fitted.n,
        "accuracy_n": fitted.n,
        "ancestor": None if teacher is None else teacher.record,
        "versions": {"torch": torch.__version__, "timm": timm.__version__, "python": platform.python_version()},
        "hardware": hardware(place),
    }


def _silent(event: dict[str, Any]) -> None:
    """Ranks beside the first say nothing."""

"""The ancestor: a timm model that teaches, loaded, published by timm, or trained first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from learngenes.errors import BadCheckpoint, InvalidValue, UnknownName
from learngenes.job import AncestorOptions, LearnJob, Report, Stopped, identity
from learngenes.training.augment import mixes, seed_process
from learngenes.training.data import ImageSet
from learngenes.training.device import Place
from learngenes.training.loop import Phase, fit
from learngenes.training.losses import Supervised
from learngenes.training.vit import choose_attention, describe_input

_SEED = 1
"""Keeps the ancestor's draws apart from those of the network that learns from it."""


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A model ready to teach, and what the learngene's record says of it."""

    model: nn.Module
    record: dict[str, Any]


def make(
    options: AncestorOptions,
    job: LearnJob,
    *,
    images: tuple[ImageSet, ImageSet],
    run: Path,
    data: Path,
    place: Place,
    report: Report,
    stop: Callable[[], bool],
) -> Ancestor | Stopped:
    """The ancestor of a job; trained with the job's images (train, test) if it has to be, resuming in `run`."""
    seed_process(job.seed, _SEED)
    model = create(options, job)
    record: dict[str, Any] = {"architecture": options.architecture, "arguments": options.arguments}
    if options.checkpoint is not None:
        load_weights(model, data / options.checkpoint, classes=job.geometry.classes)
        return Ancestor(model.to(place.device), record | {"source": options.checkpoint})
    if options.training is None:
        cfg = model.pretrained_cfg
        return Ancestor(model.to(place.device), record | {"source": cfg.get("hf_hub_id") or cfg.get("url")})  # type: ignore[union-attr,operator]
    training = options.training
    choose_attention(model, fused=training.fused_attention)
    model = model.to(place.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    phase = Phase(
        name="ancestor",
        task=Supervised(
            model,
            label_smoothing=0.0 if mixes(training) else training.label_smoothing,
            precision=training.precision,
            device=place.device,
        ),
        model=model,
        training=training,
        data=job.data,
        geometry=job.geometry,
        train=images[0],
        test=images[1],
        seed=job.seed + _SEED,
        identity=_identity(options, job),
        checkpoint=run / "ancestor.safetensors",
    )
    fitted = fit(phase, place=place, report=report, stop=stop)
    if isinstance(fitted, Stopped):
        return fitted
    return Ancestor(
        fitted.model,
        record
        | {
            "source": "trained by the same run",
            "epochs": training.epochs,
            "steps": fitted.steps,
            "seconds": round(fitted.seconds, 1),
            "accuracy": fitted.correct / fitted.n,
            "accuracy_n": fitted.n,
        },
    )


def create(options: AncestorOptions, job: LearnJob) -> nn.Module:
    """timm's model, with published weights if asked for; its classes have to be those of the geometry."""
    geometry = job.geometry
    name = options.architecture
    if not timm.is_model(name):
        raise UnknownName("ancestor architecture", name, timm.list_models())
    known = timm.get_pretrained_cfg(name) if options.pretrained else None
    if known is not None and known.num_classes != geometry.classes:
        raise InvalidValue(
            f"timm's weights of {name} know {known.num_classes} classes and the geometry has {geometry.classes}; "
            f"give the ancestor [ancestor.training] on these images, or a checkpoint that was"
        )
    try:
        model: nn.Module = timm.create_model(
            name,
            pretrained=options.pretrained,
            num_classes=geometry.classes,
            in_chans=geometry.channels,
            **options.arguments,
        )
    except (TypeError, AssertionError) as error:
        raise InvalidValue(f"timm can't make the ancestor {name} with {options.arguments}: {error}") from error
    if options.mean or not options.pretrained:
        describe_input(model, mean=options.mean or job.data.mean, std=options.std or job.data.std)
    return model


def load_weights(model: nn.Module, path: Path, *, classes: int) -> None:
    """Fill the model from a safetensors file of the same names; BadCheckpoint says what does not fit.

    A checkpoint that our own training wrote is understood too: its tensors are under `model.` (or `ema.`).
    """
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            prefix = next((p for p in ("ema.", "model.") if any(n.startswith(p) for n in names)), "")
            own = {name for name in names if name.startswith(prefix)}
            tensors = {name.removeprefix(prefix): file.get_tensor(name) for name in own}
    except (SafetensorError, OSError) as error:
        raise BadCheckpoint(f"the ancestor's checkpoint {path} can't be read as safetensors: {error}") from error
    needed: dict[str, torch.Tensor] = model.state_dict()
    heads = {f"{name}.weight" for name, part in model.named_modules() if part is model.get_classifier()}  # type: ignore[operator]
    for name in heads & tensors.keys():
        if len(tensors[name]) != classes:
            raise BadCheckpoint(
                f"the ancestor in {path} knows {len(tensors[name])} classes and the geometry has {classes}; "
                f"train it on these images or name another"
            )
    if missing := sorted(needed.keys() ^ tensors.keys()):
        raise BadCheckpoint(f"{path} does not fit the ancestor: {missing[0]!r} is only on one side")
    for name, value in needed.items():
        if value.shape != tensors[name].shape:
            raise BadCheckpoint(
                f"{path} does not fit the ancestor: {name!r} has shape {tuple(tensors[name].shape)}, "
                f"the architecture needs {tuple(value.shape)}"
            )
    model.load_state_dict(tensors)


def _identity(options: AncestorOptions, job: LearnJob) -> dict[str, Any]:
    """What decides a trained ancestor: nothing of the network that learns from it."""
    parts = {f"ancestor.{key}": value for key, value in identity(options).items()}
    parts |= {f"data.{key}": value for key, value in identity(job.data).items()}
    geometry = job.geometry
    return parts | {
        "seed": job.seed,
        "geometry.image": geometry.image,
        "geometry.channels": geometry.channels,
        "geometry.classes": geometry.classes,
    }

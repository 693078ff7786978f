"""The ancestor: a timm model that teaches, loaded, published by timm, or trained first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from learngenes.errors import BadCheckpoint, InvalidValue, UnknownName
from learngenes.job import AncestorOptions, Input, LearnJob, Report, Stopped, identity
from learngenes.job_options import OWN_VIT
from learngenes.training.augment import mixes, seed_process
from learngenes.training.data import Images
from learngenes.training.device import Place
from learngenes.training.loop import Phase, fit
from learngenes.training.losses import Supervised
from learngenes.training.vit import choose_attention, describe_input, network

_SEED = 1
"""Keeps the ancestor's draws apart from those of the network that learns from it."""


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A model ready to teach, and what the learngene's record says of it; input: how images are prepared for it."""

    model: nn.Module
    record: dict[str, Any]
    input: Input


def make(
    options: AncestorOptions,
    job: LearnJob,
    *,
    images: Images | None,
    run: Path,
    data: Path,
    place: Place,
    report: Report,
    stop: Callable[[], bool],
) -> Ancestor | Stopped:
    """The ancestor of a job; trained with the job's images if it has to be, resuming in `run`."""
    seed_process(job.seed, _SEED)
    model = create(options, job)
    taken = _input(model, options, job)
    record: dict[str, Any] = {"architecture": options.architecture, "arguments": options.arguments}
    if options.checkpoint is not None:
        load_weights(model, data / options.checkpoint, classes=job.geometry.classes)
        return Ancestor(model.to(place.device), record | {"source": options.checkpoint}, taken)
    if options.training is None:
        cfg = model.pretrained_cfg
        return Ancestor(model.to(place.device), record | {"source": cfg.get("hf_hub_id") or cfg.get("url")}, taken)  # type: ignore[union-attr,operator]
    training = options.training
    assert images is not None  # a job whose ancestor is trained has [data]
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
        data=job.need_data(),
        geometry=job.geometry,
        train=images.train,
        test=images.test,
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
        taken,
    )


def create(options: AncestorOptions, job: LearnJob) -> nn.Module:
    """The architecture, with published weights if asked for; their classes have to be those of the geometry."""
    drop_path = 0.0 if options.training is None else options.training.drop_path
    if options.architecture == OWN_VIT:
        model = network(job.geometry, drop_path=drop_path)
    else:
        model = _of_timm(options, job, drop_path=drop_path)
    if options.mean:
        describe_input(model, mean=options.mean, std=options.std)
    elif not options.pretrained:
        describe_input(model, mean=job.input.mean, std=job.input.std)
    return model


def _input(model: nn.Module, options: AncestorOptions, job: LearnJob) -> Input:
    """timm's preparation for published weights, else the job's; the normalisation is what the model itself says."""
    cfg: Any = model.pretrained_cfg
    shown = Input((), (), cfg["interpolation"], cfg["crop_pct"]) if options.pretrained else job.input
    return replace(shown, mean=tuple(cfg["mean"]), std=tuple(cfg["std"]))


def _of_timm(options: AncestorOptions, job: LearnJob, *, drop_path: float) -> nn.Module:
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
            **({"drop_path_rate": drop_path} if drop_path else {}),
            **options.arguments,
        )
    except (TypeError, AssertionError) as error:
        raise InvalidValue(f"timm can't make the ancestor {name} with {options.arguments}: {error}") from error
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
    """What decides a trained ancestor: nothing of the network that learns from it, unless it is of that geometry."""
    parts = {f"ancestor.{key}": value for key, value in identity(options).items()}
    parts |= {f"data.{key}": value for key, value in identity(job.need_data()).items()}
    geometry = job.geometry
    if options.architecture == OWN_VIT:
        parts |= {f"geometry.{key}": value for key, value in identity(geometry).items()}
    return parts | {
        "seed": job.seed,
        "geometry.image": geometry.image,
        "geometry.channels": geometry.channels,
        "geometry.classes": geometry.classes,
    }

"""Making up for what a narrower network lost: attn.proj and mlp.fc2 re-fitted by least squares.

Ours, not the paper's. A public re-implementation of subcloning for another kind of transformer reports such a closed
form as worth a third of the training; we have not verified that.
"""

# F inputs of a layer, K of them left, R outputs left

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from learngenes import config, gene
from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry, shapes
from learngenes.fit_job import FitJob
from learngenes.formulas import positions
from learngenes.gene import Manifest
from learngenes.job import FloatArray, Learned, LearnJob, Report, Stopped
from learngenes.methods.subcloning.options import FitOptions, PlanOptions
from learngenes.methods.subcloning.plan import fitted, plan
from learngenes.sources import Pick
from learngenes.tensorfile import Tensors
from learngenes.training.importance import measured
from learngenes.training.scores import Moments
from learngenes.training.session import session
from learngenes.training.vit import network

Float64Array = np.ndarray[Any, np.dtype[np.float64]]
Positions = np.ndarray[Any, np.dtype[np.intp]]


def fit(
    job: FitJob,
    manifest: Manifest,
    tensors: Tensors,
    *,
    run: Path,
    data: Path,
    report: Report,
    stop: Callable[[], bool],
) -> Learned | Stopped:
    """Tensors `fitted.blocks.<j>.<attn.proj or mlp.fc2>.<weight or bias>` of the default subclone of the job's size.

    The inputs are measured in the parent: that the subclone's are alike, but for those that are gone, is assumed.
    """
    options = config.parse(job.options, FitOptions, where="options")
    _check(job, manifest)
    parent = manifest.geometry
    passing = LearnJob(
        gene.fitted_name(manifest.name, job.size), manifest.method, parent, job.data, options=job.options, seed=job.seed
    )
    with session(passing, run=run, data=data, report=report, stop=stop, alone=True) as running:
        assert running.images is not None
        total = len(running.images.train)
        images = min(job.images or total, total)
        model = _filled(parent, tensors).to(running.place.device)
        scores = measured(running, model, images, moments=True)
        if isinstance(scores, Stopped):
            return scores
        assert scores.moments is not None
        made = _refitted(manifest, tensors, job, scores.moments, ridge=options.ridge)
        facts = {"fitted": {"compensate": options.compensate, "ridge": options.ridge, "images": images}}
        return Learned(made, facts, running.record())


def least_squares(
    weight: Float64Array,
    bias: Float64Array,
    mean: Float64Array,
    moment: Float64Array,
    *,
    kept: Positions,
    ridge: float,
) -> tuple[Float64Array, Float64Array]:
    """The weight (R, K) and bias (R) that come closest to weight (R, F) and bias from `kept` (K) of the inputs alone.

    weight' = weight C[:, K] (C[K, K] + lambda I)^-1, where C = E[x x^T] - E[x] E[x]^T is the inputs' covariance and
    lambda is `ridge` times the mean of the diagonal of C[K, K]. mean: E[x] (F); moment: E[x x^T] (F, F).
    """
    covariance = moment - np.outer(mean, mean)
    left = covariance[np.ix_(kept, kept)]
    scale = float(np.diag(left).mean())
    damped = left + ridge * (scale or 1.0) * np.eye(len(kept))
    made = np.asarray(np.linalg.solve(damped, covariance[kept] @ weight.T).T, np.float64)
    return made, bias + weight @ mean - made @ mean[kept]


def _refitted(
    manifest: Manifest, tensors: Tensors, job: FitJob, moments: Moments, *, ridge: float
) -> dict[str, FloatArray]:
    """Every layer's new weight and bias: rows and columns are those that the plan picks."""
    planned = plan(manifest, job.size, PlanOptions(compensate="none"))
    sources = {entry.name: entry.source for entry in planned.entries}
    measurements = {"attn.proj": (moments.proj_mean, moments.proj), "mlp.fc2": (moments.fc2_mean, moments.fc2)}
    made: dict[str, FloatArray] = {}
    for block, layer in enumerate(planned.layer_map):
        for name, (means, seconds) in measurements.items():
            source = sources[f"blocks.{block}.{name}.weight"]
            assert isinstance(source, Pick)
            outputs, *inputs = (
                positions(index, length, tensors) for index, length in zip(source.axes, source.view, strict=True)
            )
            weight, bias = least_squares(
                tensors.array(f"blocks.{layer}.{name}.weight")[outputs].astype(np.float64),
                tensors.array(f"blocks.{layer}.{name}.bias")[outputs].astype(np.float64),
                means[layer],
                seconds[layer],
                kept=np.ravel_multi_index(np.ix_(*inputs), source.view[1:]).ravel(),
                ridge=ridge,
            )
            made[fitted(f"blocks.{block}.{name}.weight")] = weight.astype(np.float32)
            made[fitted(f"blocks.{block}.{name}.bias")] = bias.astype(np.float32)
    return made


def _filled(geometry: Geometry, tensors: Tensors) -> nn.Module:
    """The parent as a network."""
    model = network(geometry)
    model.load_state_dict({name: torch.tensor(tensors.array(name)) for name in shapes(geometry)})
    return model


def _check(job: FitJob, manifest: Manifest) -> None:
    """InvalidValue for a size or images that there is nothing to fit to."""
    manifest.space.check(job.depth, job.width, learngene=manifest.reference)
    own = manifest.geometry
    if job.width == own.width:
        raise InvalidValue(
            f"learngene {manifest.reference} has width {own.width}, and so has the size asked for: no inputs are lost "
            f"and nothing is to be made up for; take the size as it is, or fit a width below {own.width}"
        )
    job.check_input(manifest)

"""Fitting an SWS learngene to a size: its norms, and how much each branch adds, learn to answer as it does itself.

Ours. The auxiliary network, which is the learngene at its own size, teaches by its logits; labels have no part. A
descendant of other depth repeats the same layers on streams of other statistics: norms and gains are what adapts them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from learngenes import config
from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry
from learngenes.fit_job import FitJob
from learngenes.formulas import compute
from learngenes.gene import Manifest
from learngenes.job import Learned, Report, Stopped
from learngenes.methods.sws.options import FitOptions, PlanOptions
from learngenes.methods.sws.plan import fitted as stored_name
from learngenes.methods.sws.plan import plan
from learngenes.planning.blocks import Planned
from learngenes.planning.gain import gains
from learngenes.planning.stages import stage_counts
from learngenes.sizes import Size
from learngenes.tensorfile import Tensors
from learngenes.training.fitting import fitting
from learngenes.training.losses import Distillation, TrainingTask
from learngenes.training.vit import arrays, choose_attention, describe_input, network

PLACES = ("ls1", "ls2")
"""Where timm's block can scale what attention and MLP add."""


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
    """Tensors `fitted.<name>` of all norms of the default descendant; facts: `gains` of each block's two branches.

    What is left of the descendant is the learngene's. A run that was stopped continues in `run`.
    """
    options = config.parse(job.options, FitOptions, where="options")
    size = manifest.space.check(job.depth, job.width, learngene=manifest.reference)
    own = Size(manifest.geometry.depth, manifest.geometry.width)
    if size == own:
        raise InvalidValue(
            f"learngene {manifest.reference} is itself of depth {own.depth}, width {own.width}, and teaches what is "
            f"fitted: there is nothing to make up for; take the size as it is, or fit another"
        )
    planned = _plain(manifest, size)
    geometry = _plain_vit(planned)
    factors = gains(planned.layer_map, stage_counts(manifest), options.start)

    def build() -> nn.Module:
        """The network of this size; only its norms and gains learn."""
        return calibrated(_filled(planned, tensors), factors)

    def taught(model: nn.Module, device: torch.device) -> TrainingTask:
        teacher = _filled(_plain(manifest, own), tensors)
        describe_input(teacher, mean=job.data.mean, std=job.data.std)
        return Distillation(
            model,
            teacher,
            alpha=1.0,
            temperature=options.temperature,
            label_smoothing=0.0,
            precision=job.precision,
            device=device,
        )

    done = fitting(job, manifest, build, geometry=geometry, run=run, data=data, report=report, stop=stop, task=taught)
    if isinstance(done, Stopped):
        return done
    norms = {stored_name(name): value for name, value in done.model.named_parameters() if "norm" in name}
    facts = {"gains": learned_gains(done.model), "start": options.start, "temperature": options.temperature}
    return Learned(arrays(norms), {"fitted": facts}, done.record)


class Gain(nn.Module):
    """What a branch adds, times one learned number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """The same shape."""
        return self.value * x_BTD


def calibrated(model: nn.Module, factors: tuple[float, ...]) -> nn.Module:
    """timm's network with gains, each block's from its factor; norms and gains learn, all else is frozen."""
    blocks: Any = model.blocks
    for block, factor in zip(blocks, factors, strict=True):
        for branch in PLACES:
            setattr(block, branch, Gain(factor))
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "norm" in name or name.endswith(".value")
    return model


def learned_gains(model: nn.Module) -> list[float]:
    """Of attention and MLP of the first block, of the second, ...: float32 values exactly."""
    blocks: Any = model.blocks
    return [float(getattr(block, branch).value.detach()) for block in blocks for branch in PLACES]


def _plain(manifest: Manifest, size: Size) -> Planned:
    return plan(manifest, size, PlanOptions(calibration="none"))


def _plain_vit(planned: Planned) -> Geometry:
    assert isinstance(planned.geometry, Geometry)
    return planned.geometry


def _filled(planned: Planned, tensors: Tensors) -> nn.Module:
    """The planned network."""
    model = network(_plain_vit(planned))
    values = {entry.name: compute(entry.source, entry.shape, tensors) for entry in planned.entries}
    model.load_state_dict({name: torch.tensor(value) for name, value in values.items()})
    choose_attention(model, fused=False)
    return model

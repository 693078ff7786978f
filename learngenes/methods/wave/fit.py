"""Fitting a WAVE learngene to a size: its scalers learn from a little data, the templates stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from learngenes import config
from learngenes.errors import BadTensorFile, InvalidValue
from learngenes.fit_job import FitJob
from learngenes.gene import Manifest
from learngenes.job import Learned, Report, Stopped
from learngenes.methods.wave.facts import Facts, at, cuts, facts_of, scalers_name, templates_name
from learngenes.methods.wave.network import Templated
from learngenes.methods.wave.options import FitOptions, PlanOptions
from learngenes.methods.wave.start import closest, ruled
from learngenes.sizes import Size
from learngenes.tensorfile import FloatArray, TensorFile, Tensors
from learngenes.training.expanded import TensorTree
from learngenes.training.fitting import fitting
from learngenes.training.vit import arrays


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
    """Tensors `scalers.<depth>x<width>.<tensor>` of the job's size; a run that was stopped continues in `run`."""
    options = config.parse(job.options, FitOptions, where="options")
    facts = facts_of(manifest)
    size = manifest.space.check(job.depth, job.width, learngene=manifest.reference)

    def build() -> Templated:
        """The network of this size; only its scalers learn."""
        start = initial(job, options, manifest, tensors, data=data)
        names = [*cuts(manifest.geometry, facts), "head.bias"]
        held = {name: tensors.array(name if name == "head.bias" else templates_name(name)) for name in names}
        templates = TensorTree({name: torch.tensor(value) for name, value in held.items()}, requires_grad=False)
        prefix = scalers_name(size, "")
        scalers = TensorTree({name.removeprefix(prefix): torch.tensor(value) for name, value in start.items()})
        return Templated(at(manifest.geometry, size), facts, templates, scalers)

    fitted = fitting(
        job, manifest, build, geometry=at(manifest.geometry, size), run=run, data=data, report=report, stop=stop
    )
    if isinstance(fitted, Stopped):
        return fitted
    network = fitted.model
    assert isinstance(network, Templated)
    learned = {scalers_name(size, name): tensor for name, tensor in network.scalers.tensors().items()}
    known = (*(other for other in facts.sizes if other != size), size)
    told = Facts(facts.unit, facts.templates, facts.frame, facts.order, known).table()
    return Learned(arrays(learned), {"sizes": told["sizes"]}, fitted.record)


def initial(
    job: FitJob, options: FitOptions, manifest: Manifest, tensors: Tensors, *, data: Path
) -> dict[str, FloatArray]:
    """The scalers to start from, under their stored names."""
    facts, size = facts_of(manifest), Size(job.depth, job.width)
    if options.init != "lstsq":
        return ruled(manifest.geometry, facts, size, PlanOptions(options.init, job.seed), tensors)
    return closest(manifest, facts, size, tensors, _target(data / options.target) if options.target else None)


def _target(path: Path) -> TensorFile:
    try:
        return TensorFile.open(path)
    except (OSError, BadTensorFile) as error:
        raise InvalidValue(f"the target {path} can't be read as safetensors: {error}") from error

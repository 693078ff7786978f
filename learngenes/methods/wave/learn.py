"""Learning by WAVE: templates and scalers, trained together by distillation or cut out of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from learngenes import config
from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry
from learngenes.job import Learned, LearnJob, Report, Stopped, check_teaching
from learngenes.methods.wave.condense import Condensed, condensed
from learngenes.methods.wave.facts import Facts, cuts, scalers_name, templates_name
from learngenes.methods.wave.grids import MAX_UNITS, check_unit
from learngenes.methods.wave.network import Auxiliary, drawn
from learngenes.methods.wave.options import TEMPLATES, LearnOptions, PlanOptions
from learngenes.methods.wave.start import ruled
from learngenes.sizes import MAX_DEPTH, Size
from learngenes.training.ancestor import Ancestor
from learngenes.training.parent import plain_ancestor
from learngenes.training.session import Session, session


def learn(job: LearnJob, *, run: Path, data: Path, report: Report, stop: Callable[[], bool]) -> Learned | Stopped:
    """Tensors `templates.<tensor>`, `scalers.<depth>x<width>.<tensor>` for every size trained, and head.bias; float32.

    run: an existing directory for checkpoints; a run that was stopped continues there, in whichever phase it was.
    """
    options = config.parse(job.options, LearnOptions, where="options")
    check_unit(options.unit, job.geometry)
    if options.condense == "svd":
        job.refuse("training")
    else:
        job.need_data()
        job.need_training()
        check_teaching(job, alpha=options.alpha)
    with session(job, run=run, data=data, report=report, stop=stop) as running:
        if options.condense == "svd":
            return _cut_out(running, options)
        return _trained(running, options)


def sizes(geometry: Geometry, options: LearnOptions) -> tuple[Size, ...]:
    """The sizes to train, the geometry's own first."""
    own = Size(geometry.depth, geometry.width)
    unit = options.unit
    for width in options.widths:
        if width < 1 or width % unit or width > MAX_UNITS * unit:
            raise InvalidValue(f"widths are multiples of unit {unit} up to {MAX_UNITS * unit}, got {width}")
    for depth in options.depths:
        if not 1 <= depth <= MAX_DEPTH:
            raise InvalidValue(f"depths are within 1..{MAX_DEPTH}, got {depth}")
    every = {Size(d, w) for d in {own.depth, *options.depths} for w in {own.width, *options.widths}}
    return (own, *sorted(every - {own}))


def _cut_out(running: Session, options: LearnOptions) -> Learned | Stopped:
    parent = plain_ancestor(running)
    if isinstance(parent, Stopped):
        return parent
    made = condensed(parent.tensors, running.job.geometry, options)
    return Learned(made.tensors, _facts(made), running.record(teacher=parent.ancestor), parent.input)


def _trained(running: Session, options: LearnOptions) -> Learned | Stopped:
    job = running.job
    teacher: Ancestor | Stopped | None
    start: Condensed | None = None
    if options.start == "svd":
        parent = plain_ancestor(running)
        if isinstance(parent, Stopped):
            return parent
        teacher, start = parent.ancestor, condensed(parent.tensors, job.geometry, options)
    else:
        teacher = running.ancestor()
    if isinstance(teacher, Stopped):
        return teacher
    trained = sizes(job.geometry, options)
    facts = Facts(
        unit=options.unit,
        templates=start.facts.templates if start else options.templates or TEMPLATES,
        frame=max(size.width for size in trained) // options.unit,
        order=options.order,
        sizes=trained,
    )

    def build() -> Auxiliary:
        tensors = drawn(job.geometry, facts)
        if start is not None:
            tensors |= _warm(job.geometry, facts, start, tensors)
        return Auxiliary(job.geometry, facts, tensors, seed=job.seed, drop_path=job.need_training().drop_path)

    fitted = running.fit("auxiliary", build, teacher=teacher, alpha=options.alpha, temperature=options.temperature)
    if isinstance(fitted, Stopped):
        return fitted
    network = fitted.model
    assert isinstance(network, Auxiliary)
    told = facts.table() if start is None else {**facts.table(), "start_errors": _facts(start)["errors"]}
    return Learned(network.stored(), told, running.record(fitted, teacher=teacher))


def _warm(geometry: Geometry, facts: Facts, start: Condensed, fresh: dict[str, Tensor]) -> dict[str, Tensor]:
    """The condensed ancestor as a start; other sizes by interpolation. Templates beyond its rank stay as drawn."""
    tensors = dict(start.tensors)
    own = facts.sizes[0]
    for name, (_, terms, in_blocks) in cuts(geometry, facts).items():
        templates = templates_name(name)
        used = torch.from_numpy(tensors[templates])
        mixed = fresh[templates].clone()
        live = used.flatten(1).any(dim=1).nonzero()[:, 0]
        mixed[live] = used[live]
        tensors[templates] = mixed.numpy()
        scalers = scalers_name(own, name)
        found = torch.from_numpy(tensors[scalers])
        axis = 1 if in_blocks else 0
        whole = found.new_zeros((*found.shape[:axis], terms, *found.shape[axis + 1 :]))
        whole.narrow(axis, 0, found.shape[axis]).copy_(found)
        tensors[scalers] = whole.numpy()
    one = Facts(facts.unit, facts.templates, facts.frame, facts.order, (own,))
    for size in facts.sizes[1:]:
        tensors |= ruled(geometry, one, size, PlanOptions("interp"), tensors)
    return {name: torch.from_numpy(value) for name, value in tensors.items()}


def _facts(made: Condensed) -> dict[str, object]:
    return {**made.facts.table(), "errors": {name: round(error, 6) for name, error in made.errors.items()}}

"""Learning by LearngenePool: two networks imitate an ancestor, are stitched, and are tuned path by path.

arXiv:2312.05743; settings by the authors' public code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from learngenes import config
from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry
from learngenes.job import Learned, LearnJob, Report, Stopped
from learngenes.methods.learngenepool.options import LearnOptions
from learngenes.methods.learngenepool.plan import PARTS, narrower, stored_shapes
from learngenes.methods.learngenepool.stitching import least_squares_stitches, transposed_mean
from learngenes.training import vit
from learngenes.training.ancestor import Ancestor
from learngenes.training.features import FeatureDistillation, Student, check_features
from learngenes.training.loop import Fitted
from learngenes.training.losses import TrainingTask
from learngenes.training.session import Session, label_smoothing, session
from learngenes.training.stitched import Pool, PoolDistillation


def learn(job: LearnJob, *, run: Path, data: Path, report: Report, stop: Callable[[], bool]) -> Learned | Stopped:
    """Tensors `small.<timm's name>`, `large.<timm's name>` and `stitches.<window>.weight|bias`, float32.

    run: an existing directory for checkpoints; a run that was stopped continues there, in whichever phase it was.
    """
    options = config.parse(job.options, LearnOptions, where="options")
    job.need_data()
    job.need_ancestor()
    training = job.need_training()
    geometries = dict(zip(PARTS, _geometries(job.geometry, options), strict=True))
    with session(job, run=run, data=data, report=report, stop=stop) as running:
        teacher = running.ancestor()
        if isinstance(teacher, Stopped):
            return teacher
        assert teacher is not None
        width = _feature_width(teacher, job, options)
        fitted: dict[str, Fitted] = {}
        for part, geometry in geometries.items():
            outcome = _auxiliary(running, part, geometry, teacher, options, ancestor_width=width)
            if isinstance(outcome, Stopped):
                return outcome
            fitted[part] = outcome
        tuning = options.pool or replace(training, compile=False)
        students = {part: outcome.model for part, outcome in fitted.items()}
        pool = running.fit(
            "pool",
            lambda: _stitched(running, students, geometries, options, drop_path=tuning.drop_path),
            task=lambda model: PoolDistillation(
                model,
                teacher.model,
                alpha=options.pool_alpha,
                temperature=1.0,
                label_smoothing=label_smoothing(tuning),
                precision=tuning.precision,
                device=running.place.device,
            ),
            training=tuning,
        )
        if isinstance(pool, Stopped):
            return pool
        tensors = vit.arrays(dict(pool.model.named_parameters()))
        assert {name: tensor.shape for name, tensor in tensors.items()} == stored_shapes(**geometries)
        record = running.record(pool, teacher=teacher, training=tuning)
        record["auxiliary"] = {part: _record(outcome) for part, outcome in fitted.items()}
        return Learned(tensors, {"widths": list(options.widths)}, record)


def _geometries(large: Geometry, options: LearnOptions) -> tuple[Geometry, Geometry]:
    """Of the small and the large network; InvalidValue unless the job's geometry is that of the large one."""
    for name, here, there in (
        ("depth", large.depth, options.blocks),
        ("width", large.width, options.widths[1]),
    ):
        if here != there:
            option = "blocks" if name == "depth" else "widths"
            raise InvalidValue(
                f"geometry.{name} is {here} and options.{option} says {there} of the large network; they have to agree"
            )
    return narrower(large, options.widths[0]), large


def _feature_width(teacher: Ancestor, job: LearnJob, options: LearnOptions) -> int:
    """The ancestor's width, 0 if only its logits are learned from; InvalidValue when it has not what is asked for."""
    if not options.features:
        return 0
    width = check_features(
        teacher.model, job.geometry, way_out="set options.features = false to learn from its logits alone"
    )
    if options.init == "ours" and width != options.widths[1]:
        raise InvalidValue(
            f"init 'ours' needs an ancestor as wide as the large network, they have {width} and {options.widths[1]}; "
            f"set options.init = 'snnet', or change one of them"
        )
    return width


def _auxiliary(
    running: Session, part: str, geometry: Geometry, teacher: Ancestor, options: LearnOptions, *, ancestor_width: int
) -> Fitted | Stopped:
    """One of the two networks, learned from the ancestor: a training.features.Student, or a ViT alone."""
    training = running.job.need_training()

    def build() -> nn.Module:
        network = vit.network(geometry, drop_path=training.drop_path)
        return Student(network, ancestor_width=ancestor_width) if options.features else network

    def task(student: Any) -> TrainingTask:
        return FeatureDistillation(
            student,
            teacher.model,
            alpha=options.alpha,
            label_smoothing=label_smoothing(training),
            precision=training.precision,
            device=running.place.device,
        )

    if options.features:
        return running.fit(part, build, task=task)
    return running.fit(part, build, teacher=teacher, alpha=1 - options.alpha)


def _stitched(
    running: Session,
    students: dict[str, nn.Module],
    geometries: dict[str, Geometry],
    options: LearnOptions,
    *,
    drop_path: float,
) -> Pool:
    """The pool of two networks that have learned, its stitches as options.init says."""
    pool = Pool(**geometries, seed=running.job.seed, drop_path=drop_path)
    networks: dict[str, Any] = {
        part: student.network if isinstance(student, Student) else student for part, student in students.items()
    }
    for part, network in networks.items():
        pool.get_submodule(part).load_state_dict(network.state_dict())
    if geometries["small"].width == geometries["large"].width:
        return pool
    stitches: list[Any] = list(pool.stitches)
    with torch.no_grad():
        if options.init == "ours":
            small = students["small"]
            assert isinstance(small, Student)
            for stitch in stitches:
                stitch.weight.copy_(transposed_mean(small))
            return pool
        solved = least_squares_stitches(networks["small"], networks["large"], running.sample(options.images))
        for stitch, (weight, bias) in zip(stitches, solved, strict=True):
            stitch.weight.copy_(weight)
            stitch.bias.copy_(bias)
    return pool


def _record(fitted: Fitted) -> dict[str, Any]:
    """What the learngene's record says of one network."""
    return {
        "steps": fitted.steps,
        "seconds": round(fitted.seconds, 1),
        "accuracy": fitted.correct / fitted.n,
        "accuracy_n": fitted.n,
    }

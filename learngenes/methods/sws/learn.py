"""Learning by SWS: an auxiliary network with blocks shared by stage imitates an ancestor. IJCAI 2024, section 3.2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from learngenes import config
from learngenes.errors import InvalidValue
from learngenes.job import FloatArray, Learned, LearnJob, Report, Stopped, check_teaching
from learngenes.methods.sws.depths import of_options
from learngenes.methods.sws.network import Auxiliary, StageDistillation, check_ancestor
from learngenes.methods.sws.options import LearnOptions
from learngenes.methods.sws.plan import name
from learngenes.tensorfile import IndexArray
from learngenes.training import vit
from learngenes.training.ancestor import Ancestor
from learngenes.training.importance import measured, stored
from learngenes.training.losses import TrainingTask
from learngenes.training.scores import by_stage
from learngenes.training.session import Session, label_smoothing, session


def learn(job: LearnJob, *, run: Path, data: Path, report: Report, stop: Callable[[], bool]) -> Learned | Stopped:
    """Tensors `stages.<m>.<tensor of a block>` for every stage m, and the frame by timm's names; float32.

    With scored_images also int32 rankings, see training.importance; a stage's are summed over its blocks.

    run: an existing directory for checkpoints; a run that was stopped continues there, in whichever phase it was.
    """
    options = config.parse(job.options, LearnOptions, where="options")
    job.need_data()
    job.need_training()
    if job.geometry.depth != sum(options.stages):
        raise InvalidValue(
            f"geometry.depth is {job.geometry.depth} and options.stages {list(options.stages)} sum to "
            f"{sum(options.stages)}; they have to agree"
        )
    check_teaching(job, alpha=options.alpha)
    with session(job, run=run, data=data, report=report, stop=stop) as running:
        teacher = running.ancestor()
        if isinstance(teacher, Stopped):
            return teacher
        if options.features:
            assert teacher is not None  # features need alpha, and alpha an ancestor
            check_ancestor(teacher.model, job.geometry)
        fitted = running.fit(
            "auxiliary",
            lambda: _auxiliary(running, options),
            task=None if teacher is None or not options.features else _by_features(running, options, teacher),
            teacher=teacher,
            alpha=options.alpha,
            temperature=options.temperature,
        )
        if isinstance(fitted, Stopped):
            return fitted
        network = fitted.model.network if isinstance(fitted.model, Auxiliary) else fitted.model
        tensors: dict[str, FloatArray | IndexArray] = {**vit.stage_tensors(network, options.stages)}
        assert {name: t.shape for name, t in tensors.items()} == vit.stage_shapes(job.geometry, options.stages)
        if options.scored_images:
            scores = measured(running, network, options.scored_images)
            if isinstance(scores, Stopped):
                return scores
            tensors |= stored(by_stage(scores, options.stages), name)
        return Learned(tensors, {"stages": list(options.stages)}, running.record(fitted, teacher=teacher))


def _auxiliary(running: Session, options: LearnOptions) -> nn.Module:
    """timm's network itself where nothing of ours is asked for: its checkpoints are those of ever."""
    job = running.job
    training = job.need_training()
    network = vit.auxiliary(job.geometry, options.stages, drop_path=training.drop_path)
    if options.depths == "fixed" and not options.features:
        return network
    assert running.images is not None
    steps = training.epochs * (len(running.images.train) // training.batch)
    return Auxiliary(network, options.stages, of_options(options, seed=job.seed, steps=steps))


def _by_features(running: Session, options: LearnOptions, teacher: Ancestor) -> Callable[[Any], TrainingTask]:
    training = running.job.need_training()

    def task(student: Any) -> TrainingTask:
        return StageDistillation(
            student,
            teacher.model,
            features=options.features,
            alpha=options.alpha,
            temperature=options.temperature,
            label_smoothing=label_smoothing(training),
            precision=training.precision,
            device=running.place.device,
        )

    return task

"""Learning by SWS: an auxiliary network with blocks shared by stage imitates an ancestor. IJCAI 2024, section 3.2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from learngenes import config
from learngenes.errors import InvalidValue
from learngenes.job import FloatArray, Learned, LearnJob, Report, Stopped, check_teaching
from learngenes.methods.sws.options import LearnOptions
from learngenes.methods.sws.plan import name
from learngenes.tensorfile import IndexArray
from learngenes.training import vit
from learngenes.training.importance import measured, stored
from learngenes.training.scores import by_stage
from learngenes.training.session import session


def learn(job: LearnJob, *, run: Path, data: Path, report: Report, stop: Callable[[], bool]) -> Learned | Stopped:
    """Tensors `stages.<m>.<tensor of a block>` for every stage m, and the frame by timm's names; float32.

    With scored_images also int32 rankings, see training.importance; a stage's are summed over its blocks.

    run: an existing directory for checkpoints; a run that was stopped continues there, in whichever phase it was.
    """
    options = config.parse(job.options, LearnOptions, where="options")
    job.need_data()
    drop_path = job.need_training().drop_path
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
        fitted = running.fit(
            "auxiliary",
            lambda: vit.auxiliary(job.geometry, options.stages, drop_path=drop_path),
            teacher=teacher,
            alpha=options.alpha,
            temperature=options.temperature,
        )
        if isinstance(fitted, Stopped):
            return fitted
        tensors: dict[str, FloatArray | IndexArray] = {**vit.stage_tensors(fitted.model, options.stages)}
        assert {name: t.shape for name, t in tensors.items()} == vit.stage_shapes(job.geometry, options.stages)
        if options.scored_images:
            scores = measured(running, fitted.model, options.scored_images)
            if isinstance(scores, Stopped):
                return scores
            tensors |= stored(by_stage(scores, options.stages), name)
        return Learned(tensors, {"stages": list(options.stages)}, running.record(fitted, teacher=teacher))

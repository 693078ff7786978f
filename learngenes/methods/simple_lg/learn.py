"""Learning by Simple-LG: an ordinary network of few layers, by the recipe of the SWS it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from learngenes import config
from learngenes.errors import InvalidValue
from learngenes.job import Learned, LearnJob, Report, Stopped, check_teaching
from learngenes.methods.simple_lg.options import LearnOptions
from learngenes.training import vit
from learngenes.training.session import session


def learn(job: LearnJob, *, run: Path, data: Path, report: Report, stop: Callable[[], bool]) -> Learned | Stopped:
    """Tensors `stages.<i>.<tensor of a block>` for every layer i, and the frame by timm's names; float32."""
    options = config.parse(job.options, LearnOptions, where="options")
    job.need_data()
    drop_path = job.need_training().drop_path
    layers = job.geometry.depth
    if layers != len(options.stages):
        raise InvalidValue(
            f"geometry.depth is {layers} and options.stages has {len(options.stages)} counts; "
            f"each layer is a stage, so they have to agree"
        )
    check_teaching(job, alpha=options.alpha)
    with session(job, run=run, data=data, report=report, stop=stop) as running:
        teacher = running.ancestor()
        if isinstance(teacher, Stopped):
            return teacher
        fitted = running.fit(
            "network",
            lambda: vit.network(job.geometry, drop_path=drop_path),
            teacher=teacher,
            alpha=options.alpha,
            temperature=options.temperature,
        )
        if isinstance(fitted, Stopped):
            return fitted
        tensors = vit.stage_tensors(fitted.model, (1,) * layers)
        return Learned(tensors, {"stages": list(options.stages)}, running.record(fitted, teacher=teacher))

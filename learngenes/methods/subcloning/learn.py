"""Ranking what matters in an ancestor by one forward pass over a few images. arXiv:2312.09299, section 3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from learngenes import config
from learngenes.job import FloatArray, Learned, LearnJob, Report, Stopped
from learngenes.methods.subcloning.options import LearnOptions
from learngenes.methods.subcloning.plan import name
from learngenes.tensorfile import IndexArray
from learngenes.training.importance import measured, stored
from learngenes.training.parent import plain_ancestor
from learngenes.training.session import session


def learn(job: LearnJob, *, run: Path, data: Path, report: Report, stop: Callable[[], bool]) -> Learned | Stopped:
    """The ancestor's tensors by timm's names, float32, and int32 rankings, most important first.

    `rankings.res` (width), `rankings.blocks.<i>.heads` (heads) and `rankings.blocks.<i>.hidden` (hidden units).
    """
    options = config.parse(job.options, LearnOptions, where="options")
    job.refuse("training")
    job.need_data()
    with session(job, run=run, data=data, report=report, stop=stop) as running:
        parent = plain_ancestor(running)
        if isinstance(parent, Stopped):
            return parent
        assert running.images is not None
        images = options.count(len(running.images.train))
        scores = measured(running, parent.ancestor.model, images, residual=options.residual, hidden=options.hidden)
        if isinstance(scores, Stopped):
            return scores
        facts = {
            "block_scores": [float(score) for score in scores.blocks],
            "scores": {"images": images, "residual": options.residual, "hidden": options.hidden},
        }
        tensors: dict[str, FloatArray | IndexArray] = {**parent.tensors, **stored(scores, name)}
        return Learned(tensors, facts, running.record(teacher=parent.ancestor), parent.input)

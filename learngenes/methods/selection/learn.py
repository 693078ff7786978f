"""Taking an ancestor apart for weight selection: nothing is learned. arXiv:2311.18823."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from learngenes import config
from learngenes.job import Learned, LearnJob, Report, Stopped
from learngenes.methods.selection.options import LearnOptions
from learngenes.training.parent import plain_ancestor
from learngenes.training.session import session


def learn(job: LearnJob, *, run: Path, data: Path, report: Report, stop: Callable[[], bool]) -> Learned | Stopped:
    """The ancestor's tensors by timm's names, float32.

    [data] is needed only by an ancestor that is trained first; it also gives the classes their names.
    """
    config.parse(job.options, LearnOptions, where="options")
    job.refuse("training")
    with session(job, run=run, data=data, report=report, stop=stop) as running:
        parent = plain_ancestor(running)
        if isinstance(parent, Stopped):
            return parent
        return Learned(parent.tensors, {}, running.record(teacher=parent.ancestor), parent.input)

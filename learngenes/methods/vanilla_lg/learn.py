"""Taking the last layers of an ancestor: nothing is learned beyond it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from learngenes import config
from learngenes.job import Learned, LearnJob, Report, Stopped
from learngenes.methods.vanilla_lg.options import LearnOptions
from learngenes.methods.vanilla_lg.plan import taken
from learngenes.training.parent import plain_ancestor
from learngenes.training.session import session


def learn(job: LearnJob, *, run: Path, data: Path, report: Report, stop: Callable[[], bool]) -> Learned | Stopped:
    """Tensors `blocks.<i>.<tensor>` of the last layers i, the final norm and the head by timm's names; float32."""
    options = config.parse(job.options, LearnOptions, where="options")
    job.refuse("training")
    kept, facts = taken(job.geometry.depth, options)
    with session(job, run=run, data=data, report=report, stop=stop) as running:
        parent = plain_ancestor(running)
        if isinstance(parent, Stopped):
            return parent
        tensors = {tensor: value for tensor, value in parent.tensors.items() if tensor.startswith(kept)}
        return Learned(tensors, facts, running.record(teacher=parent.ancestor), parent.input)

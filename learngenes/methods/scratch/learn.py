"""Nothing is learned: the learngene is its geometry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from learngenes import config
from learngenes.job import Learned, LearnJob, Report, Stopped
from learngenes.methods.scratch.options import LearnOptions


def learn(job: LearnJob, *, run: Path, data: Path, report: Report, stop: Callable[[], bool]) -> Learned | Stopped:
    """No tensors. The job says a geometry and no more."""
    config.parse(job.options, LearnOptions, where="options")
    job.refuse("data", "training", "ancestor")
    return Learned({}, {}, {"seed": job.seed})

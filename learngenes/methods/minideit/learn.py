"""Learning by Mini-DeiT: a network of shared sets of linear layers imitates an ancestor. MiniViT, arXiv:2204.07154."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from learngenes import config
from learngenes.families.mini import MiniGeometry, shapes
from learngenes.job import Learned, LearnJob, Report, Stopped, check_teaching
from learngenes.methods.minideit.options import LearnOptions
from learngenes.training import mini
from learngenes.training.session import session
from learngenes.training.vit import arrays


def learn(job: LearnJob, *, run: Path, data: Path, report: Report, stop: Callable[[], bool]) -> Learned | Stopped:
    """The tensors of families.mini, float32: the network is what is stored.

    Only logits are learned from, as in the authors' public runs, whose ancestor is a RegNet.
    run: an existing directory for checkpoints; a run that was stopped continues there, in whichever phase it was.
    """
    options = config.parse(job.options, LearnOptions, where="options")
    job.need_data()
    drop_path = job.need_training().drop_path
    geometry = MiniGeometry(job.geometry, options.repeats)
    check_teaching(job, alpha=options.alpha)
    with session(job, run=run, data=data, report=report, stop=stop) as running:
        teacher = running.ancestor()
        if isinstance(teacher, Stopped):
            return teacher
        fitted = running.fit(
            "compressed",
            lambda: mini.network(geometry, drop_path=drop_path, mix=options.mix),
            teacher=teacher,
            alpha=options.alpha,
            temperature=options.temperature,
        )
        if isinstance(fitted, Stopped):
            return fitted
        tensors = arrays(dict(fitted.model.named_parameters()))
        assert {name: tensor.shape for name, tensor in tensors.items()} == shapes(geometry)
        return Learned(tensors, {"repeats": options.repeats}, running.record(fitted, teacher=teacher))

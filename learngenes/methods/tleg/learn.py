"""Learning by TLEG: base and slope of an auxiliary network imitate an ancestor. arXiv:2312.05614."""

# B batch, C channels, H height, W width

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from learngenes import config
from learngenes.families.vit import Geometry, block_shapes, frame_shapes
from learngenes.job import FloatArray, Learned, LearnJob, Report, Stopped, check_teaching
from learngenes.methods.tleg.options import LearnOptions
from learngenes.tensorfile import IndexArray
from learngenes.training import vit
from learngenes.training.expanded import Expanded, TensorTree
from learngenes.training.importance import measured, stored
from learngenes.training.scores import by_stage
from learngenes.training.session import session


class OnALine(Expanded):
    """A ViT whose block i is base + i/depth * slope; base and slope are one block's tensors, by their names within it.

    Both start as in the authors' code: linear weights cut normal of std 0.02, biases 0, norms 1 in the base and 0 in
    the slope. The frame starts as timm's.
    """

    def __init__(self, geometry: Geometry, *, drop_path: float = 0.0) -> None:
        super().__init__(geometry, drop_path=drop_path)
        block = block_shapes(geometry)
        self.base = TensorTree({name: _start(name, shape, norm=1.0) for name, shape in block.items()})
        self.slope = TensorTree({name: _start(name, shape, norm=0.0) for name, shape in block.items()})
        own = dict(vit.network(replace(geometry, depth=1)).named_parameters())
        self.frame = TensorTree({name: own[name] for name in frame_shapes(geometry)})

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the auxiliary network."""
        base, slope, depth = self.base.tensors(), self.slope.tensors(), self.geometry.depth
        blocks = [{name: base[name] + (i / depth) * slope[name] for name in base} for i in range(depth)]
        return self.frame.tensors() | vit.numbered(blocks)

    def learned(self) -> dict[str, Tensor]:
        """What is stored: `base.<tensor>`, `slope.<tensor>` and the frame by timm's names."""
        held = {"base": self.base, "slope": self.slope}
        named = {f"{part}.{name}": value for part, tree in held.items() for name, value in tree.tensors().items()}
        return named | self.frame.tensors()


def learn(job: LearnJob, *, run: Path, data: Path, report: Report, stop: Callable[[], bool]) -> Learned | Stopped:
    """Tensors `base.<tensor of a block>`, `slope.<tensor of a block>`, and the frame by timm's names; float32.

    With scored_images also int32 rankings, see training.importance: one for all blocks, summed over them.
    """
    options = config.parse(job.options, LearnOptions, where="options")
    job.need_data()
    drop_path = job.need_training().drop_path
    check_teaching(job, alpha=options.alpha)
    with session(job, run=run, data=data, report=report, stop=stop) as running:
        teacher = running.ancestor()
        if isinstance(teacher, Stopped):
            return teacher
        fitted = running.fit(
            "auxiliary",
            lambda: OnALine(job.geometry, drop_path=drop_path),
            teacher=teacher,
            alpha=options.alpha,
            temperature=options.temperature,
        )
        if isinstance(fitted, Stopped):
            return fitted
        line = fitted.model
        assert isinstance(line, OnALine)
        tensors: dict[str, FloatArray | IndexArray] = {**vit.arrays(line.learned())}
        if options.scored_images:
            scores = measured(running, _unrolled(line), options.scored_images)
            if isinstance(scores, Stopped):
                return scores
            tensors |= stored(by_stage(scores, (job.geometry.depth,)), lambda layer: "base")
        return Learned(tensors, {}, running.record(fitted, teacher=teacher))


def _unrolled(line: OnALine) -> nn.Module:
    """The plain network that the line computes, on its device."""
    model = vit.network(line.geometry)
    with torch.no_grad():
        model.load_state_dict(line.tensors())
    return model.to(next(line.parameters()).device)


def _start(name: str, shape: tuple[int, ...], *, norm: float) -> Tensor:
    if name.endswith("bias"):
        return torch.zeros(shape)
    return torch.full(shape, norm) if name.startswith("norm") else nn.init.trunc_normal_(torch.empty(shape), std=0.02)

"""Learning by TLEG: base and slope of an auxiliary network imitate an ancestor. arXiv:2312.05614."""

# B batch, C channels, H height, W width

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from learngenes import config
from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry, block_shapes, frame_shapes
from learngenes.job import FloatArray, Learned, LearnJob, Report, Stopped, check_teaching
from learngenes.methods.tleg.options import LearnOptions
from learngenes.methods.tleg.plan import stage_name
from learngenes.tensorfile import IndexArray
from learngenes.training import vit
from learngenes.training.expanded import Expanded, TensorTree
from learngenes.training.importance import measured, stored
from learngenes.training.scores import by_stage
from learngenes.training.session import session


class Lines(Expanded):
    """A ViT whose blocks lie on lines; the frame starts as timm's."""

    frame: TensorTree

    @abstractmethod
    def blocks(self) -> list[dict[str, Tensor]]:
        """Every block in order, its tensors by their names within it."""

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the auxiliary network."""
        return self.frame.tensors() | vit.numbered(self.blocks())

    def learned(self) -> dict[str, Tensor]:
        """What is stored: base and slope as the parameters are called, and the frame by timm's names."""
        return {name.removeprefix("frame."): value for name, value in self.named_parameters()}


class OnALine(Lines):
    """A ViT whose block i is base + i/depth * slope; base and slope are one block's tensors, by their names within it.

    Both start as in the authors' code: linear weights cut normal of std 0.02, biases 0, norms 1 in the base and 0 in
    the slope.
    """

    def __init__(self, geometry: Geometry, *, drop_path: float = 0.0) -> None:
        super().__init__(geometry, drop_path=drop_path)
        self.base, self.slope = _start(geometry, norm=1.0), _start(geometry, norm=0.0)
        self.frame = _frame(geometry)

    def blocks(self) -> list[dict[str, Tensor]]:
        """Points of the one line."""
        return _points(self.base, self.slope, self.geometry.depth)


class OnLines(Lines):
    """A ViT whose block i of the n of a stage is base + i/n * slope of that stage; each starts as in OnALine. Ours.

    One stage is the network of OnALine, and starts as it does.
    """

    def __init__(self, geometry: Geometry, stages: Sequence[int], *, drop_path: float = 0.0) -> None:
        super().__init__(geometry, drop_path=drop_path)
        self.counts = tuple(stages)
        self.stages = nn.ModuleList(_Line(geometry) for _ in stages)
        self.frame = _frame(geometry)

    def blocks(self) -> list[dict[str, Tensor]]:
        """Points of every stage's line, stage after stage."""
        lines = cast("Iterable[_Line]", self.stages)
        return [
            block for line, n in zip(lines, self.counts, strict=True) for block in _points(line.base, line.slope, n)
        ]


class _Line(nn.Module):
    """Base and slope of one stage."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.base, self.slope = _start(geometry, norm=1.0), _start(geometry, norm=0.0)


def learn(job: LearnJob, *, run: Path, data: Path, report: Report, stop: Callable[[], bool]) -> Learned | Stopped:
    """Tensors `base.<tensor of a block>`, `slope.<tensor of a block>`, and the frame by timm's names; float32.

    With stages the two lie under `stages.<m>.` of every stage m. With scored_images also int32 rankings, see
    training.importance: one for all blocks of a line, summed over them.
    """
    options = config.parse(job.options, LearnOptions, where="options")
    job.need_data()
    drop_path = job.need_training().drop_path
    if options.stages and sum(options.stages) != job.geometry.depth:
        raise InvalidValue(
            f"geometry.depth is {job.geometry.depth} and options.stages {list(options.stages)} sum to "
            f"{sum(options.stages)}; they have to agree, or leave out stages for one line through all layers"
        )
    check_teaching(job, alpha=options.alpha)
    with session(job, run=run, data=data, report=report, stop=stop) as running:
        teacher = running.ancestor()
        if isinstance(teacher, Stopped):
            return teacher
        fitted = running.fit(
            "auxiliary",
            lambda: network(job.geometry, options.stages, drop_path=drop_path),
            teacher=teacher,
            alpha=options.alpha,
            temperature=options.temperature,
        )
        if isinstance(fitted, Stopped):
            return fitted
        lines = fitted.model
        assert isinstance(lines, Lines)
        tensors: dict[str, FloatArray | IndexArray] = {**vit.arrays(lines.learned())}
        if options.scored_images:
            scores = measured(running, _unrolled(lines), options.scored_images)
            if isinstance(scores, Stopped):
                return scores
            counts, name = (options.stages, stage_name) if options.stages else ((job.geometry.depth,), _the_line)
            tensors |= stored(by_stage(scores, counts), name)
        facts = {"stages": list(options.stages)} if options.stages else {}
        return Learned(tensors, facts, running.record(fitted, teacher=teacher))


def network(geometry: Geometry, stages: Sequence[int], *, drop_path: float = 0.0) -> Lines:
    """A fresh auxiliary network: of one line, or of one for each stage where there are any."""
    return OnLines(geometry, stages, drop_path=drop_path) if stages else OnALine(geometry, drop_path=drop_path)


def _the_line(layer: int) -> str:
    """Under which name the rankings of the only line are stored."""
    return "base"


def _unrolled(lines: Lines) -> nn.Module:
    """The plain network that the lines compute, on their device."""
    model = vit.network(lines.geometry)
    with torch.no_grad():
        model.load_state_dict(lines.tensors())
    return model.to(next(lines.parameters()).device)


def _points(base: TensorTree, slope: TensorTree, count: int) -> list[dict[str, Tensor]]:
    """So many blocks of a line: base + i/count * slope, i from 0."""
    start, step = base.tensors(), slope.tensors()
    return [{name: start[name] + (i / count) * step[name] for name in start} for i in range(count)]


def _start(geometry: Geometry, *, norm: float) -> TensorTree:
    """One block's tensors as a base or a slope starts; norm: of its LayerNorms."""
    return TensorTree({name: _first(name, shape, norm=norm) for name, shape in block_shapes(geometry).items()})


def _frame(geometry: Geometry) -> TensorTree:
    """timm's own start of what is around the blocks."""
    own = dict(vit.network(replace(geometry, depth=1)).named_parameters())
    return TensorTree({name: own[name] for name in frame_shapes(geometry)})


def _first(name: str, shape: tuple[int, ...], *, norm: float) -> Tensor:
    if name.endswith("bias"):
        return torch.zeros(shape)
    return torch.full(shape, norm) if name.startswith("norm") else nn.init.trunc_normal_(torch.empty(shape), std=0.02)

"""The auxiliary network of SWS when its training is not the published one: of several depths, or by features. Ours."""

# B batch, C channels, H height, W width, T tokens, D width of the network, K classes

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry
from learngenes.methods.sws.depths import Depths, depth_of
from learngenes.methods.sws.options import PlanOptions
from learngenes.planning.stages import layer_map
from learngenes.training.device import autocast
from learngenes.training.features import check_features, embedded
from learngenes.training.losses import Distillation, distillation_loss
from learngenes.training.parent import vit_tensors
from learngenes.training.steps import Counted, idle


class Auxiliary(Counted):
    """vit.auxiliary, of which every training step uses as many layers as `depths` says.

    They are laid out as a descendant of that depth is by default. Evaluated, it is the network at its full depth.
    """

    def __init__(self, network: nn.Module, stages: Sequence[int], depths: Depths) -> None:
        super().__init__()
        self.network: Any = network
        self.num_classes, self.in_chans = self.network.num_classes, self.network.in_chans
        self.stages, self.depths = tuple(stages), depths
        self._first = tuple(accumulate(self.stages[:-1], initial=0))

    @torch.compiler.disable(recursive=False)  # type: ignore[no-untyped-call, untyped-decorator]
    def forward(self, x_BCHW: Tensor, ancestor: Sequence[Tensor] | None = None) -> Any:
        """Logits (B, K). ancestor: its tokens (B, T, D) at the end of each stage; then also how far off ours are.

        Not compiled as a whole, which would be once for every depth: each block is, and serves all.
        """
        if not self.training:
            return self.network(x_BCHW)
        layers = self._next_layers()
        x_BTD = embedded(self.network, x_BCHW)
        ends: dict[int, Tensor] = {}
        for stage in layers:
            x_BTD = ends[stage] = self.network.blocks[self._first[stage]](x_BTD)
        logits_BK = self.network.forward_head(self.network.norm(x_BTD))
        skipped = [stage for stage in range(len(self.stages)) if stage not in ends]
        logits_BK = idle(logits_BK, *(self.network.blocks[self._first[stage]] for stage in skipped))
        if ancestor is None:
            return logits_BK
        return logits_BK, distance([(end, ancestor[stage]) for stage, end in ends.items()])

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _next_layers(self) -> tuple[int, ...]:
        """The stage of every layer of this step."""
        return layer_map(depth_of(self.depths, self.next_step()), self.stages, PlanOptions())

    def no_weight_decay(self) -> set[str]:
        """Parameters that timm's optimizer spares, as in timm's own ViT."""
        return {"*.pos_embed", "*.cls_token"}


class StageDistillation(Distillation):
    """The loss of Distillation, and `features` times the distance from the ancestor's tokens at the stages' ends."""

    def __init__(self, student: Auxiliary, ancestor: nn.Module, *, features: float, **rest: Any) -> None:
        super().__init__(student, ancestor, **rest)
        blocks: Any = ancestor.blocks
        self._features, self._ends = features, stage_ends(student.stages, len(blocks))

    def forward(self, input: Tensor, target: Tensor) -> dict[str, Tensor]:
        """input (B, C, H, W) normalised for the student; target: labels (B) or probabilities (B, K)."""
        with autocast(self.device, self._precision):
            with torch.no_grad():
                seen = self.teacher.normalize_input(input, self.student_mean, self.student_std)
                ancestor_BK, ends = tokens_at(self.teacher.model, seen, self._ends)
            student_BK, apart = self.trainable_module(input, ends)
        loss = distillation_loss(student_BK, ancestor_BK, temperature=self.temperature)
        if self._alpha < 1:
            loss = self._alpha * loss + (1 - self._alpha) * self.criterion(student_BK.float(), target)
        return {"loss": loss + self._features * apart, "output": student_BK}


def distance(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Mean over the pairs of the mean squared error between two token streams (B, T, D), each token layer-normalised.

    Without scale and shift, so that only the direction of a token counts: a stream's length is its network's own.
    """

    def normal(x_BTD: Tensor) -> Tensor:
        return F.layer_norm(x_BTD.float(), x_BTD.shape[-1:], eps=1e-6)

    return torch.stack([F.mse_loss(normal(own), normal(theirs)) for own, theirs in pairs]).mean()


def stage_ends(stages: Sequence[int], depth: int) -> tuple[int, ...]:
    """How many of an ancestor's `depth` blocks stand for each stage's end: the same share of the depth, at least one.

    Of the auxiliary network's full depth, whichever a step uses: a stage is to leave the same stream at any depth.
    """
    return tuple(max(1, round(Fraction(end * depth, sum(stages)))) for end in accumulate(stages))


def tokens_at(model: Any, x_BCHW: Tensor, ends: Sequence[int]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """A timm ViT's logits (B, K) and its tokens (B, T, D) after so many blocks, for each of `ends`."""
    x_BTD = embedded(model, x_BCHW)
    after: dict[int, Tensor] = {}
    for count, block in enumerate(model.blocks, 1):
        x_BTD = after[count] = block(x_BTD)
    return model.forward_head(model.norm(x_BTD)), tuple(after[end] for end in ends)


def check_ancestor(model: nn.Module, geometry: Geometry) -> None:
    """InvalidValue unless the ancestor is the plain ViT of this geometry, of any depth."""
    way_out = "set options.features = 0 to learn from its logits alone"
    check_features(model, geometry, way_out=way_out)
    blocks: Any = model.blocks
    try:
        vit_tensors(model, replace(geometry, depth=len(blocks)))
    except InvalidValue as error:
        raise InvalidValue(f"options.features compares networks of one width, heads and norms: {error}") from error

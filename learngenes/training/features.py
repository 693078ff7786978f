"""Learning from what an ancestor's blocks compute, beside its logits: LearngenePool's dense distillation."""

# B batch, C channels, H height, W width, T tokens, D width, K classes

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry
from learngenes.training.device import autocast
from learngenes.training.losses import Distillation, distillation_loss

POINTS = 3
"""How many blocks are compared: those at one, two and three thirds of the depth."""


@dataclass(frozen=True, slots=True)
class Features:
    """Of the blocks compared, in order: their outputs and those of their attention, each (B, T, D); then the logits."""

    blocks: tuple[Tensor, ...]
    attentions: tuple[Tensor, ...]
    logits: Tensor


def points(depth: int) -> tuple[int, ...]:
    """Which blocks are compared: 3, 7, 11 of 12; 2, 5, 8 of 9; 1, 3, 5 of 6, as in the authors' code."""
    return tuple(max(1, depth * k // POINTS) - 1 for k in range(1, POINTS + 1))


def features(model: Any, x_BCHW: Tensor) -> Features:
    """What a timm ViT computes at its points."""
    wanted = points(len(model.blocks))
    x_BTD = embedded(model, x_BCHW)
    blocks, attentions = {}, {}
    for at, block in enumerate(model.blocks):
        attended_BTD = block.attn(block.norm1(x_BTD))
        x_BTD = x_BTD + block.drop_path1(block.ls1(attended_BTD))
        x_BTD = x_BTD + block.drop_path2(block.ls2(block.mlp(block.norm2(x_BTD))))
        blocks[at], attentions[at] = x_BTD, attended_BTD
    logits_BK = model.forward_head(model.norm(x_BTD))
    return Features(tuple(blocks[at] for at in wanted), tuple(attentions[at] for at in wanted), logits_BK)


def embedded(model: Any, x_BCHW: Tensor) -> Tensor:
    """The tokens (B, T, D) that a timm ViT's first block sees."""
    x_BTD: Tensor = model.norm_pre(model.patch_drop(model._pos_embed(model.patch_embed(x_BCHW))))
    return x_BTD


def check_features(model: nn.Module, geometry: Geometry, *, way_out: str) -> int:
    """The ancestor's width; InvalidValue unless its blocks see the tokens that those of the geometry see.

    way_out: what to do about it.
    """
    network: Any = model
    if not isinstance(model, VisionTransformer) or any(type(block) is not Block for block in network.blocks):
        raise InvalidValue(
            f"the ancestor is a {type(model).__name__} and not a plain ViT, so its blocks can't be compared with those "
            f"of one; {way_out}"
        )
    tokens, prefix = network.patch_embed.num_patches + network.num_prefix_tokens, network.num_prefix_tokens
    if (tokens, prefix) != (geometry.tokens, int(geometry.class_token)):
        raise InvalidValue(
            f"the ancestor has {tokens} tokens, {prefix} of them before the patches, and [geometry] has "
            f"{geometry.tokens} and {int(geometry.class_token)}: their features can't be compared; {way_out}"
        )
    width: int = network.embed_dim
    return width


class Student(nn.Module):
    """A ViT and the linear layers that map its ancestor's features to its width: all of it is trained.

    In the authors' public port those layers are left out of the optimizer and stay as they were drawn.
    blocks, attentions: a layer for each point.
    """

    def __init__(self, network: nn.Module, *, ancestor_width: int) -> None:
        super().__init__()
        self.network: Any = network
        width: Any = self.network.embed_dim
        self.num_classes, self.in_chans = self.network.num_classes, self.network.in_chans
        self.blocks = nn.ModuleList(nn.Linear(ancestor_width, width) for _ in range(POINTS))
        self.attentions = nn.ModuleList(nn.Linear(ancestor_width, width) for _ in range(POINTS))

    def forward(self, x_BCHW: Tensor, ancestor: Features | None = None) -> Any:
        """Logits (B, K); with the ancestor's features also the distance to them: a mean square for each, summed."""
        if ancestor is None:
            return self.network(x_BCHW)
        own = features(self.network, x_BCHW)
        distance = _distance(own.blocks, ancestor.blocks, self.blocks)
        return own.logits, distance + _distance(own.attentions, ancestor.attentions, self.attentions)

    def no_weight_decay(self) -> set[str]:
        """Parameters that timm's optimizer spares, as in timm's own ViT."""
        return {"*.pos_embed", "*.cls_token"}


class FeatureDistillation(Distillation):
    """alpha * CE(student, labels) + (1 - alpha) * (distillation_loss(student, ancestor) + distance of the features).

    The authors' code also divides the soft cross-entropy by the number of classes; ours is a mean over images alone.
    """

    def __init__(self, student: Student, ancestor: nn.Module, *, alpha: float, **rest: Any) -> None:
        super().__init__(student, ancestor, alpha=1 - alpha, temperature=1.0, **rest)

    def forward(self, input: Tensor, target: Tensor) -> dict[str, Tensor]:
        """input (B, C, H, W) normalised for the student; target: labels (B) or probabilities (B, K)."""
        with autocast(self.device, self._precision):
            with torch.no_grad():
                seen = self.teacher.normalize_input(input, self.student_mean, self.student_std)
                ancestor = features(self.teacher.model, seen)
            student_BK, distance = self.trainable_module(input, ancestor)
        soft = distillation_loss(student_BK, ancestor.logits, temperature=1.0)
        loss = self._alpha * (soft + distance) + (1 - self._alpha) * self.criterion(student_BK.float(), target)
        return {"loss": loss, "output": student_BK}


def _distance(own: Sequence[Tensor], ancestor: Sequence[Tensor], maps: nn.ModuleList) -> Tensor:
    pairs = zip(own, ancestor, maps, strict=True)
    return torch.stack([F.mse_loss(mine.float(), layer(theirs).float()) for mine, theirs, layer in pairs]).sum()

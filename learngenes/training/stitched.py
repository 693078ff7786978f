"""Two ViTs of different width in one: a single stitched network, and a pool that runs every path through two networks.

LearngenePool; stitchable networks, arXiv:2302.06586. The parameters have the names of families.stitched, or in a pool
`small.*`, `large.*` and `stitches.<w>.*`.
"""

# B batch, C channels, H height, W width, T tokens, D width, K classes

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from learngenes.families.stitched import Path, StitchedGeometry, paths
from learngenes.families.vit import Geometry
from learngenes.training import vit
from learngenes.training.features import embedded
from learngenes.training.losses import Distillation


class Stitched(nn.Module):
    """The first blocks of one ViT, a linear stitch, the last blocks and the head of another."""

    def __init__(self, geometry: StitchedGeometry) -> None:
        super().__init__()
        front: Any = vit.network(geometry.front)
        back: Any = vit.network(geometry.back)
        front.norm = front.fc_norm = front.head = back.patch_embed = nn.Identity()
        back.pos_embed = back.cls_token = None
        self.front, self.back = front, back
        self.stitch = nn.Linear(geometry.front.width, geometry.back.width)
        self.num_classes, self.num_features, self.in_chans = geometry.classes, geometry.width, geometry.front.channels

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits (B, K)."""
        path = Path(leave=len(self.front.blocks) - 1, enter=0)
        return through(self.front, self.stitch, self.back, x_BCHW, path)

    def no_weight_decay(self) -> set[str]:
        """Parameters that timm's optimizer spares, as in timm's own ViT."""
        return {"*.pos_embed", "*.cls_token"}


class Pool(nn.Module):
    """A small and a large ViT of equal depth and the stitches between them; while it trains, every step another path.

    seed: of the draw, which follows from it and the number of training steps so far alone; that number is kept in the
    checkpoint. Between equal widths a stitch is the identity. Evaluated, the pool is the large network.
    """

    steps: Tensor

    def __init__(self, small: Geometry, large: Geometry, *, seed: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.small: Any = vit.network(small, drop_path=drop_path)
        self.large: Any = vit.network(large, drop_path=drop_path)
        equal = small.width == large.width
        self.stitches = nn.ModuleList(
            nn.Identity() if equal else nn.Linear(small.width, large.width) for _ in range(large.depth - 1)
        )
        self.choices: tuple[Path | str, ...] = ("small", "large", *paths(large.depth))
        self._seed = seed
        self.num_classes, self.in_chans = large.classes, large.channels
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits (B, K)."""
        if not self.training:
            return self.run(x_BCHW, "large")
        step = int(self.steps)
        self.steps += 1
        return self.run(x_BCHW, self.drawn(step))

    def run(self, x_BCHW: Tensor, path: Path | str) -> Tensor:
        """Logits (B, K) of one path, or of "small" or "large" alone."""
        if isinstance(path, Path):
            return through(self.small, self.stitches[path.window], self.large, x_BCHW, path)
        logits_BK: Tensor = (self.small if path == "small" else self.large)(x_BCHW)
        return logits_BK

    def drawn(self, step: int) -> Path | str:
        """The path of a training step counted from 0, each of all networks as likely as another."""
        return self.choices[int(np.random.default_rng((self._seed, step)).integers(len(self.choices)))]

    def no_weight_decay(self) -> set[str]:
        """Parameters that timm's optimizer spares, as in timm's own ViT."""
        return {"*.pos_embed", "*.cls_token"}


class PoolDistillation(Distillation):
    """Distillation of a pool, in which most parameters are idle at any step."""

    def prepare_distributed(self, device_ids: list[int] | None = None, **options: Any) -> PoolDistillation:
        """Around several ranks, all of which take the same path: what was idle is looked for after every step."""
        super().prepare_distributed(device_ids, find_unused_parameters=True, **options)
        return self


def through(front: Any, stitch: nn.Module, back: Any, x_BCHW: Tensor, path: Path) -> Tensor:
    """Logits (B, K) of two timm ViTs along a path, with the embeddings of the first and the head of the second."""
    x_BTD = stitch(front.blocks[: path.leave + 1](embedded(front, x_BCHW)))
    logits_BK: Tensor = back.forward_head(back.norm(back.blocks[path.enter :](x_BTD)))
    return logits_BK

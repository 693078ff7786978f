"""The choices of LearngenePool, as they stand in a TOML file or a request. Free of torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from learngenes.errors import InvalidValue
from learngenes.families.stitched import Path
from learngenes.job import TrainingOptions

_PATH = re.compile(r"(\d+)-(\d+)")


@dataclass(frozen=True, slots=True)
class LearnOptions:
    """widths: of the small and the large network; blocks: of each of them, 6 or 9 in the paper.

    [geometry] is the large network's; the small one has heads of the same dimension.
    alpha: weight of the labels against the ancestor, within 0..1, while the two networks learn. features: whether they
    learn from the ancestor's blocks too, for which it has to be a ViT of the same tokens, or from its logits alone.
    init: of the stitches: `snnet`, the least squares between what the two networks compute for `images` training
    images, or `ours` of the authors: the transposed mean of the layers that mapped the ancestor's blocks to the small
    network, for which the ancestor has to be as wide as the large one.
    pool: how the stitched pool is then tuned; without it, as [training] says. pool_alpha: weight of the ancestor's
    logits against the labels in that.
    """

    widths: tuple[int, int]
    blocks: int
    alpha: float = 0.1
    features: bool = True
    init: Literal["snnet", "ours"] = "snnet"
    images: int = 128
    pool: TrainingOptions | None = None
    pool_alpha: float = 0.5

    def __post_init__(self) -> None:
        small, large = self.widths
        if not 1 <= small <= large:
            raise InvalidValue(f"widths are of the small and then the large network, got {small} and {large}")
        if self.blocks < 2:
            raise InvalidValue(f"a stitch leads from one block to another: blocks is at least 2, got {self.blocks}")
        for name in ("alpha", "pool_alpha"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidValue(f"{name} is within 0..1, got {getattr(self, name)}")
        if self.images < 1:
            raise InvalidValue(f"images is at least 1, got {self.images}")
        if self.init == "ours" and not self.features:
            raise InvalidValue("init 'ours' needs layers learned from features; set features = true or init = 'snnet'")
        if self.pool is not None and self.pool.compile:
            raise InvalidValue("the pool takes another path every step and can't be compiled; set pool.compile = false")


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """path: which of the pool's networks, where several have the size asked for.

    `3-4` or (3, 4) leaves the small network behind block 3 and enters the large one at block 4, both counted from 0 and
    at most one apart; `small` and `large` are the two networks alone. Without it, a network alone where there is one of
    that size, else the middle one of that depth. seed: without effect, as nothing is drawn; a new head follows the
    request's own.
    """

    path: tuple[int, int] | str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.path, str) and self.path not in ("small", "large") and not _PATH.fullmatch(self.path):
            raise InvalidValue(f"path is 'small', 'large', or two blocks such as '3-4', got {self.path[:40]!r}")
        if isinstance(self.path, tuple) and min(self.path) < 0:
            raise InvalidValue(f"path counts blocks from 0, got {self.path}")

    def wanted(self) -> Path | str | None:
        """The path, "small", "large", or None for any."""
        if isinstance(self.path, tuple):
            return Path(*self.path)
        found = _PATH.fullmatch(self.path or "")
        return Path(int(found[1]), int(found[2])) if found else self.path

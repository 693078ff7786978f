"""The choices of weight subcloning, as they stand in a TOML file or a request. Free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from learngenes.errors import InvalidValue
from learngenes.planning.depth import Grow, Keep
from learngenes.planning.width import Scale, Select, WidthOptions

LEAST_IMAGES = 256
"""A share of a small set is topped up to so many images: ours, the paper scores on thousands."""


@dataclass(frozen=True, slots=True)
class LearnOptions:
    """What importance is measured on and how; labels have no part in it.

    images: how many training images; 0 takes `share` of them, the paper's 0.5 %, but at least LEAST_IMAGES.
    residual: what is summed over the network as the importance of a residual neuron, its size in the `stream` or in
    what each `branch` adds; the paper only draws it. hidden: the MLP's units are measured after or before the GELU.
    """

    images: int = 0
    share: float = 0.005
    residual: Literal["stream", "branch"] = "stream"
    hidden: Literal["after-gelu", "before-gelu"] = "after-gelu"

    def __post_init__(self) -> None:
        if self.images < 0:
            raise InvalidValue(f"images is at least 0, got {self.images}")
        if not 0 < self.share <= 1:
            raise InvalidValue(f"share is above 0 and at most 1, got {self.share}")

    def count(self, total: int) -> int:
        """How many of `total` images are looked at."""
        return min(total, self.images or max(LEAST_IMAGES, math.ceil(self.share * total)))


@dataclass(frozen=True, slots=True)
class PlanOptions(WidthOptions):
    """Rows and columns as in WidthOptions; the defaults are the paper's.

    The paper's ablations: select `uniform` or `random` does not look at importance, scale `none` does not rescale.
    keep: which layers stay when fewer are wanted, the paper drops from the middle; grow: how more are reached, the
    paper duplicates in the middle. See planning.depth.chosen; `importance` of whole layers is ShortGPT's,
    arXiv:2403.03853.
    compensate: `fitted` takes the re-fitted tensors of a size that was fitted (see FitOptions), which go with the
    default choices; any other choice, or `none`, is the plain subclone.
    """

    select: Select = "importance"
    scale: Scale = "fan_in"
    keep: Keep = "middle-drop"
    grow: Grow = "duplicate"
    compensate: Literal["fitted", "none"] = "fitted"


@dataclass(frozen=True, slots=True)
class FitOptions:
    """compensate: `ls` re-fits attn.proj and mlp.fc2 to the inputs that are left, by least squares.

    ridge: added to the diagonal of the inputs' covariance, as a share of its mean. A subclone's inputs are not quite
    its parent's, and too small a ridge trusts them too much.
    Of the job only the images and their number have a part: there are no steps, batches or rates.
    """

    compensate: Literal["ls"] = "ls"
    ridge: float = 0.03

    def __post_init__(self) -> None:
        if not 0 < self.ridge < math.inf:
            raise InvalidValue(f"ridge is above 0 and finite, got {self.ridge}")

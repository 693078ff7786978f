"""The choices of SWS, as they stand in a TOML file or a request. Free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from learngenes.config import LATER
from learngenes.errors import InvalidValue
from learngenes.job_options import Teaching
from learngenes.planning.gain import Gain
from learngenes.planning.stages import StageOptions
from learngenes.planning.width import Scale


@dataclass(frozen=True, slots=True)
class LearnOptions(Teaching):
    """stages: blocks of each stage in the auxiliary network, first stage first; 3,3,4,3,3 in the paper.

    scored_images: how many training images the importance of heads and neurons is measured on afterwards, so that
    other widths can be picked by it; 0 stores no importance. Ours: SWS has one width.
    depths: of the auxiliary network while it trains. `fixed` is as published, the sum of the stages. Ours: `sampled`
    draws one for every step from least_depth to that sum, both within; `growing` goes through them in equal shares of
    the steps. The layers lie as in a descendant of that depth. What is evaluated and stored is the full depth.
    least_depth: of these; 0 is one layer for each stage.
    features: weight of the distance between the tokens of ancestor and network at the ends of the stages, beside the
    logits; 0 for none. It takes an ancestor that is a plain ViT of the geometry, of any depth. Ours.
    Of Teaching the authors' commands use alpha 1 (labels have no part) and temperature 1; the paper gives neither.
    """

    stages: tuple[int, ...]
    scored_images: int = 0
    depths: Literal["fixed", "sampled", "growing"] = field(default="fixed", metadata=LATER)
    least_depth: int = field(default=0, metadata=LATER)
    features: float = field(default=0.0, metadata=LATER)

    def __post_init__(self) -> None:
        Teaching.__post_init__(self)
        if not self.stages or min(self.stages) < 1:
            raise InvalidValue(f"stages are one or more numbers of blocks, each at least 1, got {self.stages}")
        if self.scored_images < 0:
            raise InvalidValue(f"scored_images is at least 0, got {self.scored_images}")
        if not 0 <= self.least_depth <= sum(self.stages):
            raise InvalidValue(
                f"least_depth is within 0..{sum(self.stages)}, the sum of the stages, got {self.least_depth}"
            )
        if self.least_depth and self.depths == "fixed":
            raise InvalidValue(
                f"least_depth {self.least_depth} means nothing to depths 'fixed'; leave it out, or set depths to "
                f"'sampled' or 'growing'"
            )
        if not 0 <= self.features < math.inf:
            raise InvalidValue(f"features is a weight of at least 0, got {self.features}")
        if self.features and not self.alpha:
            raise InvalidValue(
                f"features {self.features} takes an ancestor, which alpha 0 leaves without a part; raise alpha, or "
                f"set features = 0"
            )


@dataclass(frozen=True, slots=True)
class PlanOptions(StageOptions):
    """Stages as in StageOptions; another width is picked from the stages' layers, see WidthOptions.

    gain: what a block adds to the residual stream when its stage has c layers and had n in the auxiliary network: as
    much as there, `none`, which is as published; n/c times, `stage`; or `root` of n/c times. Ours: see planning.gain.
    calibration: `fitted` takes the norms and gains of a size that was fitted (see FitOptions), which go with the
    default choices; any other choice, or `none`, is the plain descendant.
    """

    scale: Scale = "fan_in"
    gain: Gain = "none"
    calibration: Literal["fitted", "none"] = "fitted"


@dataclass(frozen=True, slots=True)
class FitOptions:
    """start: the gains that fitting starts from, as PlanOptions.gain has them.

    temperature: of both softmaxes, of the descendant and of the auxiliary network that teaches it.
    """

    start: Gain = "stage"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise InvalidValue(f"temperature is above 0 and finite, got {self.temperature}")

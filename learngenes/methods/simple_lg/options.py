"""The choices of Simple-LG, as they stand in a TOML file or a request. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from learngenes.errors import InvalidValue
from learngenes.planning.stages import StageOptions
from learngenes.planning.width import Scale


@dataclass(frozen=True, slots=True)
class LearnOptions:
    """stages: counts that the stage map deals by, one for every layer of the network that is trained; the paper's.

    alpha: weight of the ancestor's logits against the labels, within 0..1; temperature: of both softmaxes. Whether the
    paper's five-layer network was distilled is not stated; give it the ancestor of the SWS it is compared with.
    """

    stages: tuple[int, ...] = (3, 3, 4, 3, 3)
    alpha: float = 1.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.stages or min(self.stages) < 1:
            raise InvalidValue(f"stages are one or more numbers of blocks, each at least 1, got {self.stages}")
        if not 0 <= self.alpha <= 1:
            raise InvalidValue(f"alpha is within 0..1, got {self.alpha}")
        if not self.temperature > 0:
            raise InvalidValue(f"temperature is above 0, got {self.temperature}")


@dataclass(frozen=True, slots=True)
class PlanOptions(StageOptions):
    """Stages as in StageOptions; another width is picked from the layers, see WidthOptions."""

    scale: Scale = "fan_in"

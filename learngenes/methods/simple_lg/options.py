"""The choices of Simple-LG, as they stand in a TOML file or a request. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from learngenes.errors import InvalidValue
from learngenes.job_options import Teaching
from learngenes.planning.stages import StageOptions
from learngenes.planning.width import Scale


@dataclass(frozen=True, slots=True)
class LearnOptions(Teaching):
    """stages: counts that the stage map deals by, one for every layer of the network that is trained; the paper's.

    Whether the paper's five-layer network was distilled is not stated; give it the ancestor and the Teaching of the SWS
    it is compared with.
    """

    stages: tuple[int, ...] = (3, 3, 4, 3, 3)

    def __post_init__(self) -> None:
        Teaching.__post_init__(self)
        if not self.stages or min(self.stages) < 1:
            raise InvalidValue(f"stages are one or more numbers of blocks, each at least 1, got {self.stages}")


@dataclass(frozen=True, slots=True)
class PlanOptions(StageOptions):
    """Stages as in StageOptions; another width is picked from the layers, see WidthOptions."""

    scale: Scale = "fan_in"

"""The choices of SWS, as they stand in a TOML file or a request. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from learngenes.errors import InvalidValue
from learngenes.job_options import Teaching
from learngenes.planning.stages import StageOptions
from learngenes.planning.width import Scale


@dataclass(frozen=True, slots=True)
class LearnOptions(Teaching):
    """stages: blocks of each stage in the auxiliary network, first stage first; 3,3,4,3,3 in the paper.

    scored_images: how many training images the importance of heads and neurons is measured on afterwards, so that
    other widths can be picked by it; 0 stores no importance. Ours: SWS has one width.
    Of Teaching the authors' commands use alpha 1 (labels have no part) and temperature 1; the paper gives neither.
    """

    stages: tuple[int, ...]
    scored_images: int = 0

    def __post_init__(self) -> None:
        Teaching.__post_init__(self)
        if not self.stages or min(self.stages) < 1:
            raise InvalidValue(f"stages are one or more numbers of blocks, each at least 1, got {self.stages}")
        if self.scored_images < 0:
            raise InvalidValue(f"scored_images is at least 0, got {self.scored_images}")


@dataclass(frozen=True, slots=True)
class PlanOptions(StageOptions):
    """Stages as in StageOptions; another width is picked from the stages' layers, see WidthOptions."""

    scale: Scale = "fan_in"

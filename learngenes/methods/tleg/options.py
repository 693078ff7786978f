"""The choices of TLEG, as they stand in a TOML file or a request. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from learngenes.config import LATER
from learngenes.errors import InvalidValue
from learngenes.job_options import Teaching
from learngenes.planning.width import Scale, WidthOptions


@dataclass(frozen=True, slots=True)
class LearnOptions(Teaching):
    """Alpha and temperature as in Teaching, 1 and 1 in the authors' commands.

    geometry.depth is the auxiliary network's, 12 in the paper.
    scored_images: how many training images the importance of heads and neurons is measured on afterwards, so that
    other widths can be picked by it; 0 stores no importance. Ours: TLEG has one width.
    stages: blocks of each stage in the auxiliary network, first stage first; every stage has its own base and slope.
    Empty, as in the paper, for one line through all layers. Ours: SWS with a line where it has one layer.
    """

    scored_images: int = 0
    stages: tuple[int, ...] = field(default=(), metadata=LATER)

    def __post_init__(self) -> None:
        Teaching.__post_init__(self)
        if self.scored_images < 0:
            raise InvalidValue(f"scored_images is at least 0, got {self.scored_images}")
        if self.stages and min(self.stages) < 1:
            raise InvalidValue(f"stages are numbers of blocks, each at least 1, or empty, got {list(self.stages)}")


@dataclass(frozen=True, slots=True)
class PlanOptions(WidthOptions):
    """Another width is picked from base and slope alike, see WidthOptions."""

    scale: Scale = "fan_in"

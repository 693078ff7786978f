"""The choices of TLEG, as they stand in a TOML file or a request. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from learngenes.errors import InvalidValue
from learngenes.job_options import Teaching
from learngenes.planning.width import Scale, WidthOptions


@dataclass(frozen=True, slots=True)
class LearnOptions(Teaching):
    """Alpha and temperature as in Teaching, 1 and 1 in the authors' commands.

    geometry.depth is the auxiliary network's, 12 in the paper.
    scored_images: how many training images the importance of heads and neurons is measured on afterwards, so that
    other widths can be picked by it; 0 stores no importance. Ours: TLEG has one width.
    """

    scored_images: int = 0

    def __post_init__(self) -> None:
        Teaching.__post_init__(self)
        if self.scored_images < 0:
            raise InvalidValue(f"scored_images is at least 0, got {self.scored_images}")


@dataclass(frozen=True, slots=True)
class PlanOptions(WidthOptions):
    """Another width is picked from base and slope alike, see WidthOptions."""

    scale: Scale = "fan_in"

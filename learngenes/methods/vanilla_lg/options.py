"""The choices of Vanilla-LG, as they stand in a TOML file or a request. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from learngenes.errors import InvalidValue
from learngenes.planning.width import Scale, WidthOptions


@dataclass(frozen=True, slots=True)
class LearnOptions:
    """blocks: how many of the ancestor's last blocks are kept. SWS does not state its number; public code keeps 3."""

    blocks: int = 3

    def __post_init__(self) -> None:
        if self.blocks < 1:
            raise InvalidValue(f"blocks is at least 1, got {self.blocks}")


@dataclass(frozen=True, slots=True)
class PlanOptions(WidthOptions):
    """Another width is picked from the kept blocks, see WidthOptions; what is fresh is drawn by `seed`."""

    scale: Scale = "fan_in"

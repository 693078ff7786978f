"""The choices of TLEG, as they stand in a TOML file or a request. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from learngenes.errors import InvalidValue
from learngenes.planning.width import Scale, WidthOptions


@dataclass(frozen=True, slots=True)
class LearnOptions:
    """alpha: weight of the ancestor's logits against the labels, within 0..1; temperature: of both softmaxes.

    The authors' commands use 1 and 1. geometry.depth is the auxiliary network's, 12 in the paper.
    scored_images: how many training images the importance of heads and neurons is measured on afterwards, so that
    other widths can be picked by it; 0 stores no importance. Ours: TLEG has one width.
    """

    alpha: float = 1.0
    temperature: float = 1.0
    scored_images: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise InvalidValue(f"alpha is within 0..1, got {self.alpha}")
        if not self.temperature > 0:
            raise InvalidValue(f"temperature is above 0, got {self.temperature}")
        if self.scored_images < 0:
            raise InvalidValue(f"scored_images is at least 0, got {self.scored_images}")


@dataclass(frozen=True, slots=True)
class PlanOptions(WidthOptions):
    """Another width is picked from base and slope alike, see WidthOptions."""

    scale: Scale = "fan_in"

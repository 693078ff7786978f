"""The choices of mimetic initialization. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from learngenes.errors import InvalidValue
from learngenes.planning.width import Scale, WidthOptions


@dataclass(frozen=True, slots=True)
class LearnOptions:
    """Weights of noise (alpha) and identity (beta) in the two products. The paper takes .7, .7, .4, .4.

    query_key_alpha, query_key_beta: in that of query and key, where the identity is added.
    value_proj_alpha, value_proj_beta: in that of value and projection, where it is subtracted.
    """

    query_key_alpha: float = 0.7
    query_key_beta: float = 0.7
    value_proj_alpha: float = 0.4
    value_proj_beta: float = 0.4

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not 0 <= getattr(self, name) <= 10:
                raise InvalidValue(f"{name} is within 0..10, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class PlanOptions(WidthOptions):
    """Another width is picked from the stored blocks, see WidthOptions.

    One list of residual neurons on both sides keeps a multiple of the identity one; `fan_in` makes up for the
    directions that are left out, which would make it smaller.
    """

    scale: Scale = "fan_in"

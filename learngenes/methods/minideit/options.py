"""The choices of Mini-DeiT, as they stand in a TOML file or a request. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from learngenes.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class LearnOptions:
    """repeats: consecutive blocks that share a set of linear layers; 2 in the paper.

    mix: how head-mixing matrices start: `normal`, a cut normal of std 0.02 as in the authors' code, or the `identity`.
    alpha: weight of the ancestor's logits against the labels, within 0..1; temperature: of both softmaxes. The authors'
    public runs learn from logits with alpha 1.
    """

    repeats: int = 2
    mix: Literal["normal", "identity"] = "normal"
    alpha: float = 1.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise InvalidValue(f"repeats is at least 1, got {self.repeats}")
        if not 0 <= self.alpha <= 1:
            raise InvalidValue(f"alpha is within 0..1, got {self.alpha}")
        if not self.temperature > 0:
            raise InvalidValue(f"temperature is above 0, got {self.temperature}")


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """There is nothing to choose. seed: of what is fresh, such as another head."""

    seed: int = 0

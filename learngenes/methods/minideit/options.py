"""The choices of Mini-DeiT, as they stand in a TOML file or a request. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from learngenes.errors import InvalidValue
from learngenes.job_options import Teaching


@dataclass(frozen=True, slots=True)
class LearnOptions(Teaching):
    """repeats: consecutive blocks that share a set of linear layers; 2 in the paper.

    mix: how head-mixing matrices start: `normal`, a cut normal of std 0.02 as in the authors' code, or the `identity`.
    Of Teaching the authors' public runs use alpha 1.
    """

    repeats: int = 2
    mix: Literal["normal", "identity"] = "normal"

    def __post_init__(self) -> None:
        Teaching.__post_init__(self)
        if self.repeats < 1:
            raise InvalidValue(f"repeats is at least 1, got {self.repeats}")


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """There is nothing to choose. seed: without effect, as nothing is drawn; a new head follows the request's own."""

    seed: int = 0

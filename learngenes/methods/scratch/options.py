"""The choices of a start from scratch. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from learngenes.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class LearnOptions:
    """None: there is nothing to learn."""


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """seed: of every value; each tensor draws from a generator of its own."""

    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 1 << 64:
            raise InvalidValue(f"a seed is a whole number of 0 to 2**64 - 1, got {self.seed!r}")

"""The choices of SWS, as they stand in a TOML file or a request. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from learngenes.errors import InvalidValue

Order = Literal["front-mid-last", "front-last-mid"]
Strategy = Literal["cyclic", "random", "proportional", "interleave"]


@dataclass(frozen=True, slots=True)
class LearnOptions:
    """stages: blocks of each stage in the auxiliary network, first stage first; 3,3,4,3,3 in the paper.

    alpha: weight of the ancestor's logits against the labels, within 0..1; temperature: of both softmaxes.
    The authors' commands use alpha 1 (labels have no part) and temperature 1; the paper gives neither value.
    """

    stages: tuple[int, ...]
    alpha: float = 1.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.stages or min(self.stages) < 1:
            raise InvalidValue(f"stages are one or more numbers of blocks, each at least 1, got {self.stages}")
        if not 0 <= self.alpha <= 1:
            raise InvalidValue(f"alpha is within 0..1, got {self.alpha}")
        if not self.temperature > 0:
            raise InvalidValue(f"temperature is above 0, got {self.temperature}")


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """How a descendant's layers are shared out between the stages.

    order: which stages get the extra layers first, by name or as a permutation of the stages; for `cyclic` alone.
    strategy: `cyclic` as published; `random` (one layer each, the others drawn with `seed`, sorted by stage);
    `proportional` to the auxiliary network; `interleave` (0,1,2,...,0,1,2,... a negative control).
    layers: the stage of every block, instead of any strategy.
    Depths below the number of stages spread over them, whatever the order or drawing strategy.
    """

    order: Order | tuple[int, ...] = "front-mid-last"
    strategy: Strategy = "cyclic"
    layers: tuple[int, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.strategy != "cyclic" and self.order != "front-mid-last":
            raise InvalidValue(f"order {self.order!r} means nothing to strategy {self.strategy!r}: name one of the two")
        if self.layers is not None:
            if (self.order, self.strategy) != ("front-mid-last", "cyclic"):
                raise InvalidValue("layers names every block itself: leave out order and strategy, or layers")
            if not self.layers or min(self.layers) < 0:
                raise InvalidValue(f"layers is a list of stages counted from 0, got {list(self.layers)}")
        if not 0 <= self.seed < 1 << 64:
            raise InvalidValue(f"a seed is a whole number of 0 to 2**64 - 1, got {self.seed!r}")

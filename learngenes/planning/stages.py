"""Which stage of a learngene each block of a descendant comes from: the stage map of SWS, IJCAI 2024, section 3.3.

The text speaks of taking layers one after another in a given order of stages; that is how layers are dealt out, not
where they lie: the authors' own run commands for 12 layers, `0,0,0,1,1,1,2,2,3,3,4,4`, and the ties of their Table 4 at
10 and 11 layers both say that equal stages stay adjacent.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from learngenes.errors import BadManifest, InvalidValue
from learngenes.gene import Manifest
from learngenes.planning.width import WidthOptions

Order = Literal["front-mid-last", "front-last-mid"]
Strategy = Literal["cyclic", "random", "proportional", "interleave"]


@dataclass(frozen=True, slots=True)
class StageOptions(WidthOptions):
    """How a descendant's layers are shared out between the stages; the width as in WidthOptions.

    order: which stages get the extra layers first, by name or as a permutation of the stages; for `cyclic` alone.
    strategy: `cyclic` as published; `random` (one layer each, the others drawn with `seed`, sorted by stage);
    `proportional` to the auxiliary network; `interleave` (0,1,2,...,0,1,2,... a negative control).
    layers: the stage of every block, instead of any strategy.
    Depths below the number of stages spread over them, whatever the order or drawing strategy.
    """

    order: Order | tuple[int, ...] = "front-mid-last"
    strategy: Strategy = "cyclic"
    layers: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        WidthOptions.__post_init__(self)
        if self.strategy != "cyclic" and self.order != "front-mid-last":
            raise InvalidValue(f"order {self.order!r} means nothing to strategy {self.strategy!r}: name one of the two")
        if self.layers is not None:
            if (self.order, self.strategy) != ("front-mid-last", "cyclic"):
                raise InvalidValue("layers names every block itself: leave out order and strategy, or layers")
            if not self.layers or min(self.layers) < 0:
                raise InvalidValue(f"layers is a list of stages counted from 0, got {list(self.layers)}")


def stage_counts(manifest: Manifest) -> tuple[int, ...]:
    """How many layers each stage had in the auxiliary network; BadManifest if the manifest does not say."""
    counts = manifest.method_facts.get("stages")
    if not (isinstance(counts, list | tuple) and counts and all(type(n) is int and n >= 1 for n in counts)):
        raise BadManifest(f"learngene {manifest.reference}: {manifest.method} needs its stage counts, got {counts!r}")
    return tuple(counts)


def layer_map(depth: int, counts: tuple[int, ...], options: StageOptions) -> tuple[int, ...]:
    """The stage of every block of a descendant; sorted by stage, except where the caller chose otherwise.

    counts: layers of each stage in the auxiliary network.
    """
    count = len(counts)
    if options.layers is not None:
        if len(options.layers) != depth:
            raise InvalidValue(f"layers names {len(options.layers)} blocks, the depth asked for is {depth}")
        if max(options.layers) >= count:
            raise InvalidValue(f"layers names stage {max(options.layers)}; the stages are 0 to {count - 1}")
        return options.layers
    order = order_of(options.order, count)
    if options.strategy == "interleave":
        return tuple(i % count for i in range(depth))
    if depth < count:
        # Dealing would drop the last stages, which the head was trained on. Ours; the paper starts at 6 layers.
        spread = [round(Fraction(i * (count - 1), depth - 1)) for i in range(1, depth)]
        return (0, *spread)
    match options.strategy:
        case "cyclic":
            dealt = deal(depth, counts, order)
        case "random":
            dealt = _random(depth, count, options.seed)
        case "proportional":
            dealt = _proportional(depth, counts)
    return tuple(stage for stage in range(count) for _ in range(dealt[stage]))


def deal(depth: int, counts: tuple[int, ...], order: tuple[int, ...]) -> list[int]:
    """Layers of each stage when depth layers are dealt out one at a time in a cyclic order of the stages.

    No stage gets more than its count in the auxiliary network until all have theirs, so that the auxiliary network's
    own depth gives back the auxiliary network. The cap is ours; it changes no size the paper printed.
    """
    dealt = [0] * len(counts)
    while (left := depth - sum(dealt)) > 0:
        full = sum(dealt) >= sum(counts)
        open_stages = [stage for stage in order if full or dealt[stage] < counts[stage]]
        for stage in open_stages[:left]:
            dealt[stage] += 1
    return dealt


def order_of(order: Order | tuple[int, ...], count: int) -> tuple[int, ...]:
    """An order by name, or any permutation of the stages.

    front-last-mid goes from both ends to the middle: 0,4,1,3,2. Its tail is not given by the paper; ties in its
    Table 4 rule out orders that would differ at 10 or 11 layers or agree at 7 and 12.
    """
    if order == "front-mid-last":
        return tuple(range(count))
    if order == "front-last-mid":
        return tuple(i // 2 if i % 2 == 0 else count - 1 - i // 2 for i in range(count))
    if sorted(order) != list(range(count)):
        raise InvalidValue(f"order {list(order)} is not a permutation of the stages 0 to {count - 1}")
    return tuple(int(stage) for stage in order)


def _random(depth: int, count: int, seed: int) -> list[int]:
    """One layer for each stage, the others drawn uniformly: the paper's random initialization, stage by stage."""
    draws = np.random.Philox(key=seed).random_raw(depth - count) % np.uint64(count)
    return [1 + int((draws == stage).sum()) for stage in range(count)]


def _proportional(depth: int, counts: tuple[int, ...]) -> list[int]:
    """Shares of the depth in proportion to the counts, by largest remainder, at least one each."""
    shares = [Fraction(depth * n, sum(counts)) for n in counts]
    dealt = [max(1, int(share)) for share in shares]
    while sum(dealt) != depth:
        step = 1 if sum(dealt) < depth else -1
        movable = [stage for stage in range(len(counts)) if dealt[stage] + step >= 1]
        stage = max(movable, key=lambda s: step * (shares[s] - dealt[s]))
        dealt[stage] += step
    return dealt

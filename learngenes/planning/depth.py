"""Another depth: which layer of a learngene each block of a descendant comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from learngenes.errors import InvalidValue

Keep = Literal["first", "uniform", "middle-drop", "importance"]
Grow = Literal["duplicate", "stack", "zero"]


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a block comes from. silent: its branches start at zero, so that it changes nothing yet."""

    layer: int
    silent: bool = False


def placed(layers: Sequence[int]) -> list[Placed]:
    """Blocks that are these layers."""
    return [Placed(layer) for layer in layers]


def chosen(depth: int, layers: int, *, keep: Keep, grow: Grow, scores: Sequence[float] = ()) -> list[Placed]:
    """The layer of each of `depth` blocks out of `layers`; in order.

    keep, when fewer are wanted: the `first`; `uniform`ly spread, both ends kept; `middle-drop`, which keeps the first
    half (rounded up) and the last; by `importance`, which drops the least of `scores` but never the first or the last.
    grow, when more are wanted: `duplicate` layers in the middle, each copy beside its source; `stack` the whole
    network again and again; `zero`, silent copies in the middle: the network's function stays as it was.
    """
    if depth <= layers:
        return placed(_kept(depth, layers, keep, scores))
    extra = depth - layers
    match grow:
        case "stack":
            return placed([i % layers for i in range(depth)])
        case "duplicate" | "zero":
            copies, more = divmod(extra, layers)
            first = (layers - more) // 2
            counts = [1 + copies + (first <= i < first + more) for i in range(layers)]
            return [Placed(i, grow == "zero" and copy > 0) for i, n in enumerate(counts) for copy in range(n)]


def _kept(depth: int, layers: int, keep: Keep, scores: Sequence[float]) -> list[int]:
    match keep:
        case "first":
            return list(range(depth))
        case "uniform":
            return [round(Fraction(i * (layers - 1), max(depth - 1, 1))) for i in range(depth)]
        case "middle-drop":
            last = depth // 2
            return [*range(depth - last), *range(layers - last, layers)]
        case "importance":
            if len(scores) != layers:
                raise InvalidValue(
                    f"keep 'importance' needs a score for each of {layers} layers, the learngene holds {len(scores)}; "
                    f"learn it with scores, or say keep 'middle-drop'"
                )
            ends = {0, layers - 1} if depth > 1 else {0}
            inner = sorted((i for i in range(layers) if i not in ends), key=lambda i: (-scores[i], i))
            return sorted([*ends, *inner[: depth - len(ends)]])

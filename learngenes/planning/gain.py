"""How much a block adds to the residual stream, when a stage has more or fewer of its blocks than it was learned with.

Ours. What stays of a stage is its sum: n blocks that each add x are c blocks that each add n/c * x, as an integrator
with steps n/c times as long goes as far. Exact only while what a stage's blocks add is alike.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from learngenes.families.vit import Geometry, Shape, block_shapes
from learngenes.planning.blocks import Tensors
from learngenes.sources import All, Pick, Source

Gain = Literal["none", "root", "stage"]
BRANCHES = ("attn.proj", "mlp.fc2")
"""The last layer of each of a block's two branches: what the block adds is what comes out of them."""


def gains(layers: Sequence[int], counts: Sequence[int], rule: Gain) -> tuple[float, ...]:
    """For every block of a descendant, what its branches are multiplied by.

    layers: the stage of every block; counts: layers of each stage n in the auxiliary network. With c the stage's blocks
    here, `stage` is n / c, `root` its square root, `none` 1.
    """
    if rule == "none":
        return (1.0,) * len(layers)
    here = Counter(layers)
    ratios = [counts[stage] / here[stage] for stage in layers]
    return tuple(ratios if rule == "stage" else map(math.sqrt, ratios))


def louder(tensors: Tensors, geometry: Geometry, *, gain: float) -> Tensors:
    """A block whose branches add `gain` times as much; the block itself where that is 1. geometry: of the block."""
    shapes = block_shapes(geometry)

    def source(name: str) -> Source:
        whole = tensors(name)
        return times(whole, shapes[name], gain) if name.startswith(BRANCHES) else whole

    return source


def times(source: Source, shape: Shape, factor: float) -> Source:
    """factor * source; the source itself where that is 1."""
    return source if factor == 1.0 else Pick(source, shape, (All(),) * len(shape), factor)

"""Mini-DeiT: consecutive blocks share their linear layers; all else is each block's own.

MiniViT, arXiv:2204.07154, as its public code has it: no class token and average pooling. Of its own a block has two
norms, two head-mixing matrices (1x1 convolutions over heads, before and after the softmax) and a table of contextual
relative positions on keys (iRPE, arXiv:2107.14222, product method), which all its heads share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from learngenes.errors import InvalidValue
from learngenes.families import vit
from learngenes.families.vit import Geometry, Shape

RPE_RATIO = 1.9
"""iRPE's alpha as MiniViT configures it: offsets up to it are kept apart. Beta and gamma are 2 and 8 times it."""

REACH = int(2 * RPE_RATIO)
"""The piecewise index of an offset is within -REACH .. REACH, whatever the image's size."""


@dataclass(frozen=True, slots=True)
class MiniGeometry:
    """plain: the network without the extras, depth counting every repetition; repeats: blocks that share a set."""

    plain: Geometry
    repeats: int = 2

    def __post_init__(self) -> None:
        if self.repeats < 1 or self.plain.depth % self.repeats:
            raise InvalidValue(f"depth {self.plain.depth} does not divide into sets of {self.repeats} blocks")
        if self.plain.class_token:
            raise InvalidValue("Mini-DeiT has no class token; set class_token = false")

    @property
    def depth(self) -> int:
        """Blocks, repetitions counted."""
        return self.plain.depth

    @property
    def width(self) -> int:
        """Embedding dimension."""
        return self.plain.width

    @property
    def classes(self) -> int:
        """Of the head."""
        return self.plain.classes

    @property
    def sets(self) -> int:
        """Number of shared sets of linear layers."""
        return self.plain.depth // self.repeats

    @property
    def buckets(self) -> int:
        """Columns of a relative position table: one per pair of piecewise offsets, iRPE's product method."""
        return (2 * REACH + 1) ** 2


def shapes(geometry: MiniGeometry) -> dict[str, Shape]:
    """Shapes of every tensor: `sets.<s>.<linear>`, `blocks.<i>.<norm, mix or rpe_k>`, and the frame by timm's names.

    mix_before, mix_after: (heads out, heads in); rpe_k: (head dimension, buckets).
    """
    plain = geometry.plain
    block = vit.block_shapes(plain)
    heads = plain.heads
    made: dict[str, Shape] = dict(vit.frame_shapes(plain))
    for s in range(geometry.sets):
        made |= {f"sets.{s}.{name}": shape for name, shape in block.items() if not name.startswith("norm")}
    for i in range(plain.depth):
        made |= {f"blocks.{i}.{name}": shape for name, shape in block.items() if name.startswith("norm")}
        made |= {f"blocks.{i}.attn.mix_{when}": (heads, heads) for when in ("before", "after")}
        made[f"blocks.{i}.attn.rpe_k"] = (plain.width // heads, geometry.buckets)
    return made


def piecewise(offset: int) -> int:
    """Where an offset of rows or columns is looked up, -REACH .. REACH: exact near 0, then coarser. iRPE Eq. 18."""
    alpha, beta, gamma = RPE_RATIO, 2 * RPE_RATIO, 8 * RPE_RATIO
    away = abs(offset)
    if away <= alpha:
        return offset
    far = round(alpha + math.log(away / alpha) / math.log(gamma / alpha) * (beta - alpha))
    return int(math.copysign(min(far, REACH), offset))


def bucket(rows: int, columns: int) -> int:
    """The column of a relative position table for a key that lies so many rows and columns before its query."""
    return (piecewise(rows) + REACH) * (2 * REACH + 1) + piecewise(columns) + REACH


def macs(geometry: MiniGeometry) -> int:
    """Multiply-adds of one image: the plain network's, two head mixes and the position scores of each block."""
    plain = geometry.plain
    tokens, heads = plain.tokens, plain.heads
    block = 2 * heads * heads * tokens**2 + tokens * plain.width * geometry.buckets
    return vit.macs(plain) + plain.depth * block

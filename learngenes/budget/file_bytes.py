"""How many bytes a network's safetensors file takes: exactly, header included."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from learngenes.families import architectures, vit
from learngenes.families.architectures import Architecture
from learngenes.families.vit import Geometry
from learngenes.header import MAX_HEADER_BYTES, MAX_TENSORS, item_bytes, layout

POWERS = 10 ** np.arange(1, 18, dtype=np.int64)


def file_bytes(architecture: Architecture, dtype: str) -> int:
    """Of any network, by laying it out. dtype: F32, F16 or BF16."""
    return layout({name: (dtype, shape) for name, shape in architectures.shapes(architecture).items()}).size


def plain_bytes(geometry: Geometry, dtype: str) -> int:
    """Of a plain ViT: the same a hundred times faster, since all of its blocks are alike.

    Of a header only the digits of the offsets and of the block numbers depend on depth; in the order of the file blocks
    lie together, whatever the order of their numbers.
    """
    depth, item = geometry.depth, item_bytes(dtype)
    before, block, after, fixed = _parts(replace(geometry, depth=1), dtype)
    count = len(before) + depth * len(block) + len(after)
    steps = np.concatenate((before, np.tile(block, depth), after)) * item
    stops = np.cumsum(steps, dtype=np.int64)
    digits = int(_digits(stops).sum() + _digits(stops[:-1]).sum()) + 1  # the first offset is 0
    frame, one = fixed
    names = len(block) * sum(len(str(i)) for i in range(depth))
    text = frame + depth * one + names + digits
    text += -text % 8
    if count > MAX_TENSORS or text > MAX_HEADER_BYTES:
        return file_bytes(geometry, dtype)  # says which limit it is
    return 8 + text + int(stops[-1])


def _digits(numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.searchsorted(POWERS, numbers, side="right") + 1


@lru_cache(maxsize=256)
def _parts(geometry: Geometry, dtype: str) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, int]]:
    """Values of the tensors before, in and after the blocks, and the letters of the header but for digits.

    geometry: of depth 1. Letters: of all that is not in the blocks, and of a block without its number.
    """
    shapes = vit.shapes(geometry)
    names = sorted(shapes)
    inside = [name.startswith("blocks.") for name in names]
    first, last = inside.index(True), len(names) - inside[::-1].index(True)
    values = [math.prod(shapes[name]) for name in names]

    def letters(name: str) -> int:
        shape = ",".join(str(side) for side in shapes[name])
        return len(f',"{name}":{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[,]}}')

    block = sum(letters(name) - 1 for name in names[first:last])  # without the digit of block 0
    frame = sum(letters(name) for name in (*names[:first], *names[last:]))
    return (
        tuple(values[:first]),
        tuple(values[first:last]),
        tuple(values[last:]),
        (len('{"__metadata__":{"format":"pt"}}') + frame, block),
    )

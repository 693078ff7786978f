"""The closed formulas behind the sources of a recipe, in numpy, float32.

A served byte may not depend on threads, processor or library build: only elementwise IEEE operations, in a fixed order,
rounded once to the target dtype. A changed formula gets a new VERSION and the old one stays.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from learngenes import resampling
from learngenes.families.vit import Shape
from learngenes.fresh import fresh
from learngenes.sources import (
    Affine,
    All,
    Drawn,
    Evenly,
    Fill,
    First,
    Index,
    Joined,
    KronSum,
    Last,
    Listed,
    Pick,
    Resized,
    Source,
    Stored,
    Top,
)
from learngenes.tensorfile import FloatArray, IndexArray

VERSION = 1

Positions = np.ndarray[Any, np.dtype[np.intp]]


class Reader(Protocol):
    """Where stored tensors are read from."""

    def array(self, name: str) -> FloatArray:
        """A stored tensor as float32."""

    def indices(self, name: str) -> IndexArray:
        """A stored index list."""


def compute(source: Source, shape: Shape, reader: Reader) -> FloatArray:
    """The values of one tensor."""
    match source:
        case Stored(name):
            return reader.array(name).reshape(shape)
        case Fill():
            return fresh(source, 0, math.prod(shape)).reshape(shape)
        case Affine(base, slope, at):
            made = np.multiply(compute(slope, shape, reader), np.float32(at))
            return np.add(compute(base, shape, reader), made, out=made)
        case Pick(within, view, axes, factor):
            return _picked(compute(within, view, reader), axes, factor, reader).reshape(shape)
        case KronSum(scalers, templates, terms, grid, block, order):
            left, right = compute(scalers, (terms, *grid), reader), compute(templates, (terms, *block), reader)
            return kron_sum(*((left, right) if order == "scaler-first" else (right, left))).reshape(shape)
        case Resized(within, view, axes, sides, kernel):
            resized = compute(within, view, reader)
            for axis, side in zip(axes, sides, strict=True):
                resized = resampling.resample(resized, axis, side, kernel)
            return resized.astype(np.float32).reshape(shape)
        case Joined(parts, views, axis):
            pieces = [compute(part, view, reader) for part, view in zip(parts, views, strict=True)]
            return np.concatenate(pieces, axis=axis).reshape(shape)


def kron_sum(left: FloatArray, right: FloatArray) -> FloatArray:
    """sum_t left_t (x) right_t of (terms, a, b) and (terms, p, q): (a * p, b * q).

    One row of blocks at a time, which stays in the cache; multiply, then add, term by term: a matrix product would be
    several times as fast and give other last bits on another processor.
    """
    terms, a, b = left.shape
    _, p, q = right.shape
    scalars, blocks = left[..., None], right.reshape(terms, 1, p * q)
    out = np.empty((a, p, b, q), np.float32)
    total = np.empty((b, p * q), np.float32)
    product = np.empty_like(total)
    for row in range(a):
        np.multiply(scalars[0, row], blocks[0], out=total)
        for term in range(1, terms):
            np.multiply(scalars[term, row], blocks[term], out=product)
            np.add(total, product, out=total)
        out[row] = total.reshape(b, p, q).transpose(1, 0, 2)
    return out.reshape(a * p, b * q)


def positions(index: Index, length: int, reader: Reader) -> Positions:
    """The indices that a rule chooses on an axis of this length."""
    match index:
        case All():
            return np.arange(length)
        case First(count):
            return np.arange(count)
        case Last(count):
            return np.arange(length - count, length)
        case Evenly(count, float32):
            return _evenly_float32(length, count) if float32 else _evenly(length, count)
        case Drawn(count, seed):
            draws = np.random.Philox(key=seed).random_raw(length)
            return np.sort(np.argsort(draws, kind="stable")[:count])
        case Top(name, count):
            return np.sort(reader.indices(name)[:count]).astype(np.intp)
        case Listed(indices):
            return np.array(indices, np.intp)


def _picked(values: FloatArray, axes: tuple[Index, ...], factor: float, reader: Reader) -> FloatArray:
    for axis, index in enumerate(axes):
        if not isinstance(index, All):
            values = values.take(positions(index, values.shape[axis], reader), axis=axis)
    return values if factor == 1.0 else values * np.float32(factor)


def _evenly(length: int, count: int) -> Positions:
    """Rounded half to even, in whole numbers."""
    at = np.arange(count)
    if length % count == 0:
        return at * (length // count)
    whole, rest = np.divmod(at * (length - 1), count - 1)
    up = (2 * rest > count - 1) | ((2 * rest == count - 1) & (whole % 2 == 1))
    return np.where(up, whole + 1, whole)


def _evenly_float32(length: int, count: int) -> Positions:
    """What torch.linspace(0, length - 1, count) gives in float32, from both ends inwards, rounded half to even."""
    if length % count == 0:
        return np.arange(count) * (length // count)
    at = np.arange(count, dtype=np.float32)
    step = np.float32(length - 1) / np.float32(count - 1)
    up, down = step * at, np.float32(length - 1) - step * (np.float32(count - 1) - at)
    return np.rint(np.where(at < count // 2, up, down)).astype(np.intp)

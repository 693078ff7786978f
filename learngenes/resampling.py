"""Resampling one axis by a small fixed matrix, in float64 and a fixed order: no library decides a bit.

The matrices are those of torch's antialiased interpolation (half-pixel centres, bicubic with a = -0.5), which timm
resizes position embeddings and patch kernels with.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from learngenes.sources import Kernel
from learngenes.tensorfile import FloatArray

Matrix = tuple[tuple[float, ...], ...]
Array = np.ndarray[Any, np.dtype[Any]]


def resample(values: FloatArray | Array, axis: int, side: int, kernel: Kernel) -> Array:
    """The values with one axis resampled to `side`; float64."""
    matrix = weights(values.shape[axis], side, kernel)
    moved = np.moveaxis(values, axis, 0).astype(np.float64)
    out = np.zeros((side, *moved.shape[1:]))
    for row, line in zip(out, matrix, strict=True):
        for value, weight in zip(moved, line, strict=True):
            if weight:
                row += value * weight
    return np.moveaxis(out, 0, axis)


@lru_cache(maxsize=256)
def weights(length: int, side: int, kernel: Kernel) -> Matrix:
    """The (side, length) matrix that resamples an axis."""
    if kernel == "patch":
        return _pseudo_inverse_of_transposed(weights(length, side, "bicubic"))
    support, curve = (2.0, _cubic) if kernel == "bicubic" else (1.0, _triangle)
    scale = length / side
    stretch = max(scale, 1.0)
    rows = []
    for at in range(side):
        centre = scale * (at + 0.5)
        first = max(int(centre - support * stretch + 0.5), 0)
        last = min(int(centre + support * stretch + 0.5), length)
        line = [curve((j - centre + 0.5) / stretch) if first <= j < last else 0.0 for j in range(length)]
        total = 0.0
        for value in line:  # not sum(): how it rounds has changed between versions of Python
            total += value
        rows.append(tuple(value / total for value in line))
    return tuple(rows)


def _cubic(x: float, a: float = -0.5) -> float:
    x = abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


def _triangle(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _pseudo_inverse_of_transposed(matrix: Matrix) -> Matrix:
    """(A^T)^+ of an A of full rank: A (A^T A)^-1 where it grows, (A A^T)^-1 A where it shrinks."""
    a = np.array(matrix)
    grows = len(matrix) >= len(matrix[0])
    made = _solve(_product(a.T, a), a.T).T if grows else _solve(_product(a, a.T), a)
    return tuple(tuple(float(value) for value in row) for row in made)


def _product(left: Array, right: Array) -> Array:
    """left @ right, summed in order."""
    out = np.zeros((left.shape[0], right.shape[1]))
    for k in range(left.shape[1]):
        out += left[:, k, None] * right[None, k]
    return out


def _solve(matrix: Array, right: Array) -> Array:
    """matrix^-1 @ right for a symmetric positive definite matrix: Gauss-Jordan elimination, elementwise."""
    size = len(matrix)
    both = np.concatenate([matrix, right], axis=1)
    for k in range(size):
        both[k] /= both[k, k]
        for row in range(size):
            if row != k:
                both[row] -= both[k] * both[row, k]
    return both[:, size:]

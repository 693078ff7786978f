"""Fresh values from a counter-based generator: the same for ever, from any position on."""

from __future__ import annotations

import numpy as np

from learngenes.sources import Fill
from learngenes.tensorfile import FloatArray

INIT_STD = 0.02

# Acklam's rational approximation to the inverse normal distribution, central region; up to our cut its
# relative error stays below 2e-8.
_NUMERATOR = (
    -3.969683028665376e01,
    2.209460984245205e02,
    -2.759285104469687e02,
    1.383577518672690e02,
    -3.066479806614716e01,
    2.506628277459239e00,
)
_DENOMINATOR = (
    -5.447609879822406e01,
    1.615858368580409e02,
    -1.556989798598866e02,
    6.680131188771972e01,
    -1.328068155288572e01,
    1.0,
)
_TAIL = 0.022750131948179195
"""Probability of a normal value below minus two standard deviations."""


def fresh(source: Fill, start: int, stop: int) -> FloatArray:
    """Elements [start, stop) of a fresh tensor, flat; start is a multiple of 4."""
    match source.init:
        case "zeros":
            return np.zeros(stop - start, np.float32)
        case "ones":
            return np.ones(stop - start, np.float32)
        case "truncated_normal":
            return truncated_normal(source.seed, start, stop)


def truncated_normal(seed: int, start: int, stop: int) -> FloatArray:
    """Normal values of standard deviation 0.02 cut at two of them, the usual start of a ViT's linear layers.

    Elements [start, stop) of the stream of this seed; start is a multiple of 4, the values of one counter.

    Philox is counter-based and its raw stream is fixed for ever; the inverse distribution uses + * / alone, because
    log and sqrt of the mathematics library differ in the last bit between machines.
    """
    assert start % 4 == 0
    raw = np.random.Philox(key=seed).advance(start // 4).random_raw(stop - start)
    uniform = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) / float(1 << 53)
    centred = (uniform - 0.5) * (1.0 - 2.0 * _TAIL)
    square = centred * centred
    value = _horner(_NUMERATOR, square) * centred / _horner(_DENOMINATOR, square)
    return (value * INIT_STD).astype(np.float32)


def _horner(
    coefficients: tuple[float, ...], x: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total

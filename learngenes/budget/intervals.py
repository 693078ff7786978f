"""How sure a measurement is: 95 % intervals of an accuracy, from one measurement or from several seeds.

Own functions, a few lines each, because planning has numpy and nothing else; the tests compare them with scipy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev

CONFIDENCE = 0.95
"""Of every interval."""

Interval = tuple[float, float]


def wilson(share: float, n: int) -> Interval:
    """Interval of a probability of which `share` (0..1) was seen in n independent trials; within 0..1.

    The score interval of E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.
    """
    assert 0 <= share <= 1 <= n
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At a share of 0 or 1 that end is exact, and rounding may not push the interval past what was seen.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def student(values: Sequence[float]) -> Interval:
    """Interval of the mean that two or more independent normal values are drawn around."""
    assert len(values) >= 2
    half = student_quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def student_quantile(freedom: int, *, within: float = CONFIDENCE) -> float:
    """t such that Student's distribution with this many degrees of freedom has the share `within` inside -t..t."""
    assert freedom >= 1
    assert 0 < within < 1
    low, high = 0.0, math.pi / 2  # of the angle arctan(t / sqrt(freedom)), in which the share grows from 0 to 1
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if _inside(middle, freedom) < within else (low, middle)
    return math.tan(low) * math.sqrt(freedom)


def _inside(angle: float, freedom: int) -> float:
    """Share of Student's distribution inside -t..t: Abramowitz and Stegun, 26.7.3 (odd freedom) and 26.7.4 (even)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    term, total = (cosine, 0.0) if freedom % 2 else (1.0, 0.0)
    for k in range(1 + freedom % 2, freedom, 2):
        total += term
        term *= k / (k + 1) * cosine * cosine
    return 2 / math.pi * (angle + sine * total) if freedom % 2 else sine * total

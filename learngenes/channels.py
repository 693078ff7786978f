"""Means and deviations of an image's channels."""

from __future__ import annotations

from learngenes.errors import InvalidValue

MOST = 1000.0
"""Those of pixels scaled to 0..1 lie far below."""


def check_channels(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    """InvalidValue for what no image can be prepared by."""
    if not all(abs(value) <= MOST for value in mean):  # NaN is not
        raise InvalidValue(f"a mean is of pixels scaled to 0..1, at most {MOST:g}, got {list(mean)}")
    if not all(1 / MOST <= value <= MOST for value in std):
        raise InvalidValue(f"a std is of pixels scaled to 0..1: above 0, {1 / MOST:g} to {MOST:g}, got {list(std)}")

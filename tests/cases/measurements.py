"""Learngenes with made-up measurements, to plan with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import factories

from learngenes.gene import Manifest, Quality
from learngenes.sizes import Size, SizeSpace, Steps


def top1(
    depth: int,
    width: int,
    value: float,
    *,
    seed: int = 0,
    epochs_after: int = 0,
    n: int = 1000,
    dataset: str = "digits",
    metric: str = "top1",
) -> Quality:
    """One measurement."""
    return Quality(depth, width, dataset, "test", metric, value, n, epochs_after, seed, "learngenes evaluate")


def learngene(
    quality: Iterable[Quality] = (),
    *,
    depths: int = 24,
    name: str = "tiny",
    version: int = 1,
    widths: tuple[int, ...] = (16, 32, 48, 64),
) -> Manifest:
    """An SWS learngene of these widths, evenly spaced, and of depths 1 to `depths`."""
    made, _ = factories.learngene(width=64, heads=4, name=name, version=version)
    step = widths[1] - widths[0] if len(widths) > 1 else 1
    space = SizeSpace(Steps(1, depths), Steps(widths[0], widths[-1], step))
    return replace(made, space=space, quality=tuple(quality))


def sizes(manifest: Manifest) -> set[Size]:
    """Every size of the learngene's space."""
    space = manifest.space
    return {
        Size(depth, width)
        for depth in range(space.depth.first, space.depth.last + 1, space.depth.step)
        for width in range(space.width.first, space.width.last + 1, space.width.step)
    }

"""Expanding TLEG: block i of a descendant is base + i/depth * slope, i from 0. arXiv:2312.05614.

The paper counts layers from 1 and writes (l - 1)/L, the same. The divisor is the descendant's own depth, as in the
authors' code: the last block never reaches base + slope. Other widths are ours: picked from base and slope alike.
"""

from __future__ import annotations

from typing import Any

from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.tleg.options import PlanOptions
from learngenes.planning.blocks import Planned, Tensors, stored
from learngenes.planning.depth import placed
from learngenes.planning.expansion import expanded
from learngenes.planning.width import widths
from learngenes.sizes import MAX_DEPTH, Size, SizeSpace, Steps
from learngenes.sources import Affine, Stored


def space(geometry: Geometry, facts: dict[str, Any]) -> SizeSpace:
    """Any depth; any width of whole heads up to the auxiliary network's."""
    return SizeSpace(depth=Steps(1, MAX_DEPTH), width=widths(geometry))


def plan(manifest: Manifest, size: Size, options: PlanOptions) -> Planned:
    """Every block computed from two stored ones; the first is base, byte for byte. The layer map counts the blocks."""
    return expanded(
        manifest,
        size,
        options,
        blocks=placed(range(size.depth)),
        layer=lambda layer, at: _on_the_line(at / size.depth),
        name=lambda layer: "base",
    )


def _on_the_line(at: float) -> Tensors:
    base = stored("base")
    return base if at == 0 else lambda name: Affine(base(name), Stored(f"slope.{name}"), at)

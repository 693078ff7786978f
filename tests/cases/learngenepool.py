"""Tiny pools: two networks of equal depth and the stitches between them."""

from __future__ import annotations

from typing import Any

from cases import made

from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.learngenepool.plan import narrower, stored_shapes


def make(*, small: int = 16, geometry: Geometry = made.TINY, **rest: Any) -> tuple[Manifest, bytes]:
    """small: width of the small network; geometry: of the large one; rest as made.learngene."""
    shapes = stored_shapes(narrower(geometry, small), geometry)
    return made.learngene("learngenepool", shapes, geometry=geometry, facts={"widths": [small, geometry.width]}, **rest)

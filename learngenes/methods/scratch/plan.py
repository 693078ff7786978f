"""A network of any size with fresh values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.scratch.options import PlanOptions
from learngenes.planning.blocks import Planned, fresh, network
from learngenes.recipe import derive_seed
from learngenes.sizes import MAX_DEPTH, Size, SizeSpace, Steps

MAX_HEADS = 64
"""Of the widest network, if the geometry itself is not wider: 4096 at a head dimension of 64."""


def space(geometry: Geometry, facts: dict[str, Any]) -> SizeSpace:
    """Any depth; 1 to 64 heads of the geometry's head dimension, or as many as it has."""
    unit = geometry.width // geometry.heads
    return SizeSpace(depth=Steps(1, MAX_DEPTH), width=Steps(unit, max(MAX_HEADS, geometry.heads) * unit, unit))


def plan(manifest: Manifest, size: Size, options: PlanOptions) -> Planned:
    """All tensors fresh. layer_map: each block's own number."""
    unit = manifest.geometry.width // manifest.geometry.heads
    geometry = replace(manifest.geometry, depth=size.depth, width=size.width, heads=size.width // unit)

    def seed(name: str) -> int:
        return derive_seed(options.seed, name)

    blocks = [fresh(f"blocks.{i}", seed) for i in range(size.depth)]
    return Planned(geometry, tuple(range(size.depth)), network(geometry, blocks, fresh("", seed)))

"""Expanding a bank of mimetic blocks: the first ones, and from the first again where more are wanted."""

from __future__ import annotations

from typing import Any

from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.mimetic.options import PlanOptions
from learngenes.planning.blocks import Planned, stored
from learngenes.planning.depth import chosen
from learngenes.planning.expansion import expanded
from learngenes.planning.width import widths
from learngenes.sizes import MAX_DEPTH, Size, SizeSpace, Steps


def space(geometry: Geometry, facts: dict[str, Any]) -> SizeSpace:
    """Any depth; any width of whole heads up to the bank's."""
    return SizeSpace(depth=Steps(1, MAX_DEPTH), width=widths(geometry))


def plan(manifest: Manifest, size: Size, options: PlanOptions) -> Planned:
    """Blocks of the bank in order."""
    return expanded(
        manifest,
        size,
        options,
        blocks=chosen(size.depth, manifest.geometry.depth, keep="first", grow="stack"),
        layer=lambda layer, at: stored(name(layer)),
        name=name,
    )


def name(layer: int) -> str:
    """Where a block lies in the learngene."""
    return f"blocks.{layer}"

"""Expanding Simple-LG: the stage map of SWS over layers that were learned without it. SWS, IJCAI 2024, Table 3."""

from __future__ import annotations

from typing import Any

from learngenes.errors import BadManifest
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.simple_lg.options import PlanOptions
from learngenes.planning.blocks import Planned, stored
from learngenes.planning.depth import placed
from learngenes.planning.expansion import expanded
from learngenes.planning.stages import layer_map, stage_counts
from learngenes.planning.width import widths
from learngenes.sizes import MAX_DEPTH, Size, SizeSpace, Steps


def space(geometry: Geometry, facts: dict[str, Any]) -> SizeSpace:
    """Any depth; any width of whole heads up to the trained network's."""
    return SizeSpace(depth=Steps(1, MAX_DEPTH), width=widths(geometry))


def plan(manifest: Manifest, size: Size, options: PlanOptions) -> Planned:
    """The layer of every block; at the trained network's own depth it is that network."""
    counts = stage_counts(manifest)
    if len(counts) != manifest.geometry.depth:
        raise BadManifest(
            f"learngene {manifest.reference}: {len(counts)} stages {counts} for a network of "
            f"{manifest.geometry.depth} layers; each layer is a stage"
        )
    return expanded(
        manifest,
        size,
        options,
        blocks=placed(layer_map(size.depth, counts, options)),
        layer=lambda layer, at: stored(name(layer)),
        name=name,
    )


def name(layer: int) -> str:
    """Where a layer lies in the learngene."""
    return f"stages.{layer}"

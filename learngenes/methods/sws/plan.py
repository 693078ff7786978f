"""Expanding an SWS learngene: every block of the descendant is the layer of its stage, byte for byte at its own width.

SWS, IJCAI 2024, section 3.3; planning.stages has the map. Other widths are ours: picked from the stages' layers.
"""

from __future__ import annotations

from typing import Any

from learngenes.errors import BadManifest
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.sws.options import PlanOptions
from learngenes.planning.blocks import Planned, stored
from learngenes.planning.depth import placed
from learngenes.planning.expansion import expanded
from learngenes.planning.stages import layer_map, stage_counts
from learngenes.planning.width import widths
from learngenes.sizes import MAX_DEPTH, Size, SizeSpace, Steps


def space(geometry: Geometry, facts: dict[str, Any]) -> SizeSpace:
    """Any depth; any width of whole heads up to the auxiliary network's."""
    return SizeSpace(depth=Steps(1, MAX_DEPTH), width=widths(geometry))


def plan(manifest: Manifest, size: Size, options: PlanOptions) -> Planned:
    """The stage of every block and the tensors: at the learngene's width nothing is computed, everything is stored."""
    counts = stage_counts(manifest)
    if sum(counts) != manifest.geometry.depth:
        raise BadManifest(
            f"learngene {manifest.reference}: stages {counts} are {sum(counts)} layers, "
            f"its network has {manifest.geometry.depth}"
        )
    return expanded(
        manifest,
        size,
        options,
        blocks=placed(layer_map(size.depth, counts, options)),
        layer=lambda stage, at: stored(name(stage)),
        name=name,
    )


def name(stage: int) -> str:
    """Where the layer of a stage lies in the learngene."""
    return f"stages.{stage}"

"""A learngene of weight subcloning: a whole network and the rankings of its neurons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cases import made

from learngenes.families import vit
from learngenes.gene import Manifest


def make(
    *, geometry: vit.Geometry = made.TINY, facts: Mapping[str, Any] | None = None, **more: Any
) -> tuple[Manifest, bytes]:
    """The manifest and the safetensors bytes, random rankings and falling block scores; more: of made.learngene."""
    rankings = {"rankings.res": geometry.width}
    for layer in range(geometry.depth):
        rankings[f"rankings.blocks.{layer}.heads"] = geometry.heads
        rankings[f"rankings.blocks.{layer}.hidden"] = geometry.hidden
    scores = {"block_scores": [1 / (layer + 1) for layer in range(geometry.depth)]}
    return made.learngene(
        "subcloning",
        vit.shapes(geometry),
        geometry=geometry,
        facts=scores if facts is None else facts,
        rankings=rankings,
        **more,
    )

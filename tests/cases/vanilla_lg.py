"""A learngene of Vanilla-LG: the last blocks of a network, its norm and its head."""

from __future__ import annotations

from typing import Any

from cases import made

from learngenes.families import vit
from learngenes.gene import Manifest
from learngenes.methods.vanilla_lg.plan import KEPT


def make(*, geometry: vit.Geometry = made.TINY, blocks: int = 3, **more: Any) -> tuple[Manifest, bytes]:
    """The manifest and the safetensors bytes; more: of made.learngene."""
    first = geometry.depth - blocks
    kept = (*(f"blocks.{i}." for i in range(first, geometry.depth)), *KEPT)
    shapes = {name: shape for name, shape in vit.shapes(geometry).items() if name.startswith(kept)}
    return made.learngene("vanilla_lg", shapes, geometry=geometry, facts={"first": first}, **more)

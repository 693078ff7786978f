"""A learngene of TLEG: two blocks and a frame."""

from __future__ import annotations

from typing import Any

from cases import made

from learngenes.families import vit
from learngenes.gene import Manifest


def make(*, geometry: vit.Geometry = made.TINY, **more: Any) -> tuple[Manifest, bytes]:
    """The manifest and the safetensors bytes; more: of made.learngene."""
    block = vit.block_shapes(geometry)
    pair = {f"{part}.{name}": shape for part in ("base", "slope") for name, shape in block.items()}
    return made.learngene("tleg", pair | vit.frame_shapes(geometry), geometry=geometry, **more)

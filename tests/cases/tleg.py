"""A learngene of TLEG: two blocks and a frame, or two blocks for each stage."""

from __future__ import annotations

from typing import Any

from cases import made

from learngenes.families import vit
from learngenes.gene import Manifest


def make(*, geometry: vit.Geometry = made.TINY, stages: tuple[int, ...] = (), **more: Any) -> tuple[Manifest, bytes]:
    """The manifest and the safetensors bytes.

    stages: layers of each, which then has a line of its own; more: of made.learngene.
    """
    block = vit.block_shapes(geometry)
    lines = [f"stages.{m}." for m in range(len(stages))] or [""]
    pairs = {
        f"{line}{part}.{name}": shape for line in lines for part in ("base", "slope") for name, shape in block.items()
    }
    facts = {"stages": list(stages)} if stages else {}
    return made.learngene("tleg", pairs | vit.frame_shapes(geometry), geometry=geometry, facts=facts, **more)

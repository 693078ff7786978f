"""A learngene of Simple-LG: one layer for each stage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cases import made

from learngenes.families import vit
from learngenes.gene import Manifest

STAGES = (2, 2, 2)


def make(*, stages: tuple[int, ...] = STAGES, **more: Any) -> tuple[Manifest, bytes]:
    """The manifest and the safetensors bytes; more: of made.learngene."""
    geometry = replace(made.TINY, depth=len(stages))
    layers = {f"stages.{i}.{n}": shape for i in range(len(stages)) for n, shape in vit.block_shapes(geometry).items()}
    shapes = layers | vit.frame_shapes(geometry)
    return made.learngene("simple_lg", shapes, geometry=geometry, facts={"stages": list(stages)}, **more)

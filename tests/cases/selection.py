"""A learngene of weight selection: a whole network."""

from __future__ import annotations

from typing import Any

from cases import made

from learngenes.families import vit
from learngenes.gene import Manifest


def make(*, geometry: vit.Geometry = made.TINY, **more: Any) -> tuple[Manifest, bytes]:
    """The manifest and the safetensors bytes; more: of made.learngene."""
    return made.learngene("selection", vit.shapes(geometry), geometry=geometry, **more)

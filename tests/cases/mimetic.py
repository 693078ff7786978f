"""A bank of blocks; their values are random here, their structure is tested where they are made."""

from __future__ import annotations

from typing import Any

from cases import made

from learngenes.families import vit
from learngenes.gene import Manifest


def make(*, geometry: vit.Geometry = made.TINY, **more: Any) -> tuple[Manifest, bytes]:
    """The manifest and the safetensors bytes; more: of made.learngene."""
    return made.learngene("mimetic", vit.shapes(geometry), geometry=geometry, **more)

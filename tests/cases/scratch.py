"""A learngene of nothing."""

from __future__ import annotations

from typing import Any

from cases import made

from learngenes.gene import Manifest


def make(**more: Any) -> tuple[Manifest, bytes]:
    """The manifest and the safetensors bytes; more: of made.learngene."""
    return made.learngene("scratch", {}, **more)

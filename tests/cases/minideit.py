"""Tiny Mini-DeiTs."""

from __future__ import annotations

from typing import Any

from cases import made

from learngenes.families.mini import MiniGeometry, shapes
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest


def make(*, repeats: int = 2, geometry: Geometry = made.TINY, **rest: Any) -> tuple[Manifest, bytes]:
    """repeats: blocks of a set; geometry: of the network without the extras; rest as made.learngene."""
    return made.learngene(
        "minideit",
        shapes(MiniGeometry(geometry, repeats)),
        geometry=geometry,
        facts={"repeats": repeats},
        **rest,
    )

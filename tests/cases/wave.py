"""A tiny WAVE learngene: units of 16, two stored sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cases import made

from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.wave.facts import Facts, at, cuts, scalers_name, templates_name
from learngenes.sizes import Size
from learngenes.sources import Order

GEOMETRY = replace(made.TINY, depth=4)
"""Width 32, head dimension 8."""


def make(
    *,
    geometry: Geometry = GEOMETRY,
    unit: int = 16,
    templates: int = 3,
    frame: int = 2,
    order: Order = "scaler-first",
    sizes: tuple[tuple[int, int], ...] = ((4, 32), (4, 16)),
    **options: Any,
) -> tuple[Manifest, bytes]:
    """The manifest and the bytes of its safetensors file. sizes: depth and width of those stored."""
    facts = Facts(unit, templates, frame, order, tuple(Size(*size) for size in sizes))
    shapes: dict[str, tuple[int, ...]] = {"head.bias": (geometry.classes,)}
    for name, (cut, terms, _) in cuts(geometry, facts).items():
        shapes[templates_name(name)] = (terms, *cut.template)
    for size in facts.sizes:
        for name, (cut, terms, in_blocks) in cuts(at(geometry, size), facts).items():
            depth = (size.depth,) if in_blocks else ()
            shapes[scalers_name(size, name)] = (*depth, terms, *cut.scalers)
    return made.learngene("wave", shapes, geometry=geometry, facts=facts.table(), **options)

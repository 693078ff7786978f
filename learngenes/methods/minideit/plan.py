"""Building from a Mini-DeiT learngene: the network itself, every tensor as it is stored."""

from __future__ import annotations

from typing import Any

from learngenes.errors import BadManifest, InvalidValue
from learngenes.families.mini import MiniGeometry, shapes
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.minideit.options import PlanOptions
from learngenes.planning.blocks import Planned
from learngenes.recipe import Entry
from learngenes.sizes import Size, SizeSpace, Steps
from learngenes.sources import Stored


def space(geometry: Geometry, facts: dict[str, Any]) -> SizeSpace:
    """The one size that was learned."""
    return SizeSpace(depth=Steps(geometry.depth, geometry.depth), width=Steps(geometry.width, geometry.width))


def plan(manifest: Manifest, size: Size, options: PlanOptions) -> Planned:
    """The network as stored; for each block the set of linear layers it uses."""
    geometry = architecture(manifest)
    assert (size.depth, size.width) == (geometry.depth, geometry.width)
    sets = tuple(block // geometry.repeats for block in range(geometry.depth))
    entries = tuple(Entry(name, shape, Stored(name)) for name, shape in shapes(geometry).items())
    return Planned(geometry, sets, entries)


def architecture(manifest: Manifest) -> MiniGeometry:
    """The learngene's network; BadManifest if the manifest describes none."""
    repeats = manifest.method_facts.get("repeats")
    if type(repeats) is not int:
        raise BadManifest(f"learngene {manifest.reference}: minideit needs its repeats, got {repeats!r}")
    try:
        return MiniGeometry(manifest.geometry, repeats)
    except InvalidValue as error:
        raise BadManifest(f"learngene {manifest.reference}: {error}") from error

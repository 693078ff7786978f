"""What a WAVE learngene says of itself in its manifest, and where its tensors lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from learngenes.errors import BadManifest, InvalidValue
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.wave.grids import MAX_UNITS, Cut, block_cuts, check_unit, frame_cuts
from learngenes.sizes import MAX_DEPTH, Size, SizeSpace, Steps, nearest_first
from learngenes.sources import Order


@dataclass(frozen=True, slots=True)
class Facts:
    """unit: side of a template; templates: of every tensor of the blocks; frame: of every tensor outside them.

    sizes: those whose scalers are stored.
    """

    unit: int
    templates: int
    frame: int
    order: Order
    sizes: tuple[Size, ...]

    def table(self) -> dict[str, Any]:
        """As they stand in the manifest."""
        return {
            "unit": self.unit,
            "templates": self.templates,
            "frame": self.frame,
            "order": self.order,
            "sizes": [[size.depth, size.width] for size in self.sizes],
        }

    def nearest(self, size: Size) -> Size:
        """The stored size closest to this one."""
        return nearest_first(self.sizes, size)[0]


def facts_of(manifest: Manifest) -> Facts:
    """The facts of a learngene; BadManifest if they are none."""
    table: Mapping[str, Any] = manifest.method_facts
    sizes = table.get("sizes")
    counts = [table.get(name) for name in ("unit", "templates", "frame")]
    if not (
        all(type(n) is int and n >= 1 for n in counts)
        and table.get("order") in get_args(Order)
        and isinstance(sizes, list | tuple)
        and sizes
        and all(
            isinstance(s, list | tuple) and len(s) == 2 and all(type(n) is int and n >= 1 for n in s) for s in sizes
        )
    ):
        raise BadManifest(
            f"learngene {manifest.reference}: wave needs unit, templates, frame, order and sizes, got {dict(table)}"
        )
    unit, templates, frame = (int(table[name]) for name in ("unit", "templates", "frame"))
    return Facts(unit, templates, frame, table["order"], tuple(Size(*size) for size in sizes))


def space_of(geometry: Geometry, facts: dict[str, Any]) -> SizeSpace:
    """Any depth, any width of whole units up to MAX_UNITS; without facts, of whole heads."""
    unit = facts.get("unit", geometry.width // geometry.heads)
    try:
        if type(unit) is not int or unit < 1:
            raise InvalidValue(f"unit is a whole number of at least 1, got {unit!r}")
        if facts:
            check_unit(unit, geometry)
    except InvalidValue as error:
        raise BadManifest(f"a wave learngene of width {geometry.width}: {error}") from error
    return SizeSpace(depth=Steps(1, MAX_DEPTH), width=Steps(unit, MAX_UNITS * unit, unit))


def at(geometry: Geometry, size: Size) -> Geometry:
    """The geometry at another size: heads of the same dimension."""
    dim = geometry.width // geometry.heads
    return replace(geometry, depth=size.depth, width=size.width, heads=size.width // dim)


def cuts(geometry: Geometry, facts: Facts) -> dict[str, tuple[Cut, int, bool]]:
    """For every tensor made of templates: how it is cut, the number of templates, whether each block has the tensor."""
    blocks = {name: (cut, facts.templates, True) for name, cut in block_cuts(geometry, facts.unit).items()}
    frame = {name: (cut, facts.frame, False) for name, cut in frame_cuts(geometry, facts.unit).items()}
    return blocks | frame


def templates_name(tensor: str) -> str:
    """Where the templates of a tensor lie: (templates, *block), a vector's (templates, unit)."""
    return f"templates.{tensor}"


def scalers_name(size: Size, tensor: str) -> str:
    """Where a size's scalers lie: (depth, templates, *grid), of a tensor outside the blocks without depth."""
    return f"scalers.{size.depth}x{size.width}.{tensor}"

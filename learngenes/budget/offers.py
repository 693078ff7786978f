"""The sizes a learngene offers and what each costs, a column of one width at a time, without planning each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from learngenes.budget.file_bytes import file_bytes, plain_bytes
from learngenes.errors import LearngenesError, NeedsLearning
from learngenes.families import architectures, vit
from learngenes.families.architectures import Architecture
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.header import item_bytes
from learngenes.initialize import method_of
from learngenes.planning.width import WidthOptions, narrowed
from learngenes.sizes import Size

Cost = Literal["params", "macs", "bytes"]

FEW_SIZES = 64
"""A space of at most so many sizes is planned size by size; a larger one holds plain ViTs, one geometry a width."""

HEADER_ENTRY_BYTES = 256
"""No tensor of a ViT takes more of a safetensors header; a frame has fewer tensors than a block."""


@dataclass(frozen=True, slots=True)
class PlainViTs:
    """Plain ViTs that differ in depth alone. params, macs: of everything outside the blocks, and of a block."""

    geometry: Geometry
    params: tuple[int, int]
    macs: tuple[int, int]

    @classmethod
    def like(cls, geometry: Geometry) -> PlainViTs:
        """Of this geometry but for its depth: every cost is linear in it."""
        one, two = (replace(geometry, depth=depth) for depth in (1, 2))
        counts = [(count(one), count(two)) for count in (vit.parameters, vit.macs)]
        params, macs = ((2 * first - second, second - first) for first, second in counts)
        return cls(geometry, params, macs)


@dataclass(frozen=True, slots=True)
class Column:
    """The sizes of one width. depths: in order; refused: depths of the space that can't be, and why."""

    width: int
    depths: Sequence[int]
    refused: Mapping[int, str]
    networks: Mapping[int, Architecture] | PlainViTs

    @property
    def grows(self) -> bool:
        """Whether every cost grows with depth."""
        return isinstance(self.networks, PlainViTs)

    def cost(self, what: Cost, depth: int, *, dtype: str) -> int:
        """Parameters, multiply-adds, or the exact bytes of the file in this dtype (F32, F16 or BF16)."""
        if isinstance(self.networks, PlainViTs):
            if what == "bytes":
                return plain_bytes(replace(self.networks.geometry, depth=depth), dtype)
            frame, block = self.networks.params if what == "params" else self.networks.macs
            return frame + depth * block
        if what == "bytes":
            return file_bytes(self.networks[depth], dtype)
        count = architectures.parameters if what == "params" else architectures.macs
        return count(self.networks[depth])

    def above(self, what: Cost, depth: int, most: int, *, dtype: str) -> bool:
        """Whether the cost at this depth is above `most`; the exact size of a file is counted only where it matters."""
        if what == "bytes":
            values = item_bytes(dtype) * self.cost("params", depth, dtype=dtype)
            tensors = (1 + depth) * len(vit.BLOCK_TENSORS)
            if values > most:
                return True
            if self.grows and values + HEADER_ENTRY_BYTES * tensors <= most:
                return False
        return self.cost(what, depth, dtype=dtype) > most


def columns(manifest: Manifest) -> list[Column]:
    """Every size of the learngene's space, narrow ones first; BadManifest if this library can't expand it."""
    space = manifest.space
    depths = range(space.depth.first, space.depth.last + 1, space.depth.step)
    widths = range(space.width.first, space.width.last + 1, space.width.step)
    method_of(manifest)
    few = len(depths) * len(widths) <= FEW_SIZES
    return [_planned(manifest, width, depths) if few else _plain(manifest, width, depths) for width in widths]


def needs_learning(manifest: Manifest, size: Size) -> bool:
    """Whether the learngene has to be fitted to this size before it can take it."""
    if not method_of(manifest).fits:
        return False
    try:
        _ask(manifest, size)
    except NeedsLearning:
        return True
    return False


def _planned(manifest: Manifest, width: int, depths: Sequence[int]) -> Column:
    """Each size by its own plan."""
    made: dict[int, Architecture] = {}
    refused: dict[int, str] = {}
    for depth in depths:
        try:
            made[depth] = _architecture(manifest, Size(depth, width))
        except LearngenesError as error:
            refused[depth] = str(error)
    return Column(width, tuple(made), refused, made)


def _plain(manifest: Manifest, width: int, depths: Sequence[int]) -> Column:
    """All sizes by the plan of the first."""
    try:
        found = _architecture(manifest, Size(depths[0], width))
    except LearngenesError as error:
        return Column(width, (), dict.fromkeys(depths, str(error)), {})
    assert isinstance(found, Geometry), "only spaces of few sizes hold networks that are no plain ViT"
    return Column(width, depths, {}, PlainViTs.like(found))


def _architecture(manifest: Manifest, size: Size) -> Architecture:
    try:
        return _ask(manifest, size)
    except NeedsLearning:  # what is learned changes no shape
        return replace(narrowed(manifest.geometry, size.width, WidthOptions()), depth=size.depth)


def _ask(manifest: Manifest, size: Size) -> Architecture:
    """The network that the method plans with its default options."""
    method = method_of(manifest)
    return method.plan(manifest, size, method.options()).geometry

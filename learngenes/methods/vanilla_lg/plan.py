"""Expanding Vanilla-LG: fresh embeddings and blocks, then the ancestor's last ones, its norm and its head."""

from __future__ import annotations

from typing import Any

from learngenes.errors import BadManifest, InvalidValue
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.vanilla_lg.options import LearnOptions, PlanOptions
from learngenes.planning.blocks import Planned, Tensors, fresh, stored
from learngenes.planning.depth import placed
from learngenes.planning.expansion import expanded
from learngenes.planning.width import widths
from learngenes.recipe import derive_seed
from learngenes.sizes import MAX_DEPTH, Size, SizeSpace, Steps
from learngenes.sources import Source

KEPT = ("norm.", "fc_norm.", "head.")
"""The frame's tensors that come from the ancestor."""


def space(geometry: Geometry, facts: dict[str, Any]) -> SizeSpace:
    """Any depth; any width of whole heads up to the ancestor's."""
    return SizeSpace(depth=Steps(1, MAX_DEPTH), width=widths(geometry))


def plan(manifest: Manifest, size: Size, options: PlanOptions) -> Planned:
    """The last blocks are stored, all others fresh; below the number of stored ones, the last of these alone.

    layer_map: the ancestor's layer for a stored block, and for a fresh one the block's own number.
    """
    first = _first(manifest)
    fresh_blocks = max(0, size.depth - (manifest.geometry.depth - first))
    kept = range(manifest.geometry.depth - (size.depth - fresh_blocks), manifest.geometry.depth)

    def seed(name: str) -> int:
        return derive_seed(options.seed, name)

    def layer(layer: int, at: int) -> Tensors:
        return fresh(f"blocks.{at}", seed) if at < fresh_blocks else stored(name(layer))

    def frame(tensor: str) -> Source:
        return (stored() if tensor.startswith(KEPT) else fresh("", seed))(tensor)

    return expanded(
        manifest,
        size,
        options,
        blocks=placed([*range(fresh_blocks), *kept]),
        layer=layer,
        name=name,
        frame=frame,
    )


def taken(depth: int, options: LearnOptions) -> tuple[tuple[str, ...], dict[str, Any]]:
    """What is stored of an ancestor of this depth: beginnings of its tensors' names, and the facts."""
    if options.blocks > depth:
        raise InvalidValue(f"options.blocks is {options.blocks} and the ancestor has {depth}; lower options.blocks")
    first = depth - options.blocks
    return (*(f"{name(layer)}." for layer in range(first, depth)), *KEPT), {"first": first}


def name(layer: int) -> str:
    """Where a layer of the ancestor lies in the learngene."""
    return f"blocks.{layer}"


def _first(manifest: Manifest) -> int:
    """The first of the ancestor's layers that is stored."""
    first = manifest.method_facts.get("first")
    if not (type(first) is int and 0 <= first < manifest.geometry.depth):
        raise BadManifest(
            f"learngene {manifest.reference}: Vanilla-LG needs the first stored layer of "
            f"{manifest.geometry.depth}, got {first!r}"
        )
    return first

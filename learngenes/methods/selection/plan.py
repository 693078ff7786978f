"""Selecting from an ancestor: first N layers, then one index list per space of the network. arXiv:2311.18823.

The authors choose rows of query, key and value together on one axis, which at widths that do not divide gives them
different indices; we choose inside each (`heads = "published"` is theirs).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.selection.options import LearnOptions, PlanOptions
from learngenes.planning.blocks import Planned, fresh, stored
from learngenes.planning.depth import chosen
from learngenes.planning.expansion import expanded
from learngenes.planning.width import widths
from learngenes.recipe import Entry, derive_seed
from learngenes.sizes import MAX_DEPTH, Size, SizeSpace, Steps


def space(geometry: Geometry, facts: dict[str, Any]) -> SizeSpace:
    """Any depth; any width of whole heads up to the ancestor's."""
    return SizeSpace(depth=Steps(1, MAX_DEPTH), width=widths(geometry))


def plan(manifest: Manifest, size: Size, options: PlanOptions) -> Planned:
    """Layers by `keep` or `grow`, their tensors picked; at the ancestor's own size it is the ancestor."""
    planned = expanded(
        manifest,
        size,
        options,
        blocks=chosen(size.depth, manifest.geometry.depth, keep=options.keep, grow=options.grow),
        layer=lambda layer, at: stored(name(layer)),
        name=name,
    )
    return planned if options.head == "keep" else _with_fresh_head(planned, options.seed)


def taken(depth: int, options: LearnOptions) -> tuple[tuple[str, ...], dict[str, Any]]:
    """What is stored of an ancestor: beginnings of its tensors' names, here of all, and the facts, here none."""
    return ("",), {}


def name(layer: int) -> str:
    """Where a layer of the ancestor lies in the learngene."""
    return f"blocks.{layer}"


def _with_fresh_head(planned: Planned, seed: int) -> Planned:
    new = fresh("", lambda full: derive_seed(seed, full))
    entries = (
        Entry(entry.name, entry.shape, new(entry.name)) if entry.name.startswith("head.") else entry
        for entry in planned.entries
    )
    return replace(planned, entries=tuple(entries))

"""Expanding a WAVE learngene: every tensor is a sum of templates in the grid of the size, by that size's scalers.

WAVE, arXiv:2406.17503, whose full text and code we have not: shapes, frame and rules for scalers are ours.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from learngenes.errors import BadManifest, InvalidValue, NeedsLearning
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.wave.facts import Facts, at, cuts, facts_of, space_of, templates_name
from learngenes.methods.wave.grids import check_unit, together
from learngenes.methods.wave.options import PlanOptions
from learngenes.methods.wave.scalers import places, scalers
from learngenes.planning.blocks import Planned, Tensors, network
from learngenes.sizes import Size, SizeSpace, nearest_first
from learngenes.sources import Source, Stored


def space(geometry: Geometry, facts: dict[str, Any]) -> SizeSpace:
    """Any depth, any width of whole units."""
    return space_of(geometry, facts)


def plan(manifest: Manifest, size: Size, options: PlanOptions) -> Planned:
    """Every tensor computed from templates and scalers but head.bias, which is stored.

    NeedsLearning when the scalers of this size are not stored and no rule for them is named.
    """
    facts = facts_of(manifest)
    try:
        check_unit(facts.unit, manifest.geometry)
    except InvalidValue as error:
        raise BadManifest(f"learngene {manifest.reference}: {error}") from error
    if options.scalers == "fitted" and size not in facts.sizes:
        raise _needs_learning(manifest, facts, size)
    geometry = at(manifest.geometry, size)
    blocks, frame = tensors(manifest.geometry, facts, size, options)
    return Planned(geometry, _layer_map(facts, size, options), network(geometry, blocks, frame))


def tensors(geometry: Geometry, facts: Facts, size: Size, options: PlanOptions) -> tuple[list[Tensors], Tensors]:
    """The tensors of every block at this size, and of the frame. geometry: of the learngene."""
    table = cuts(at(geometry, size), facts)
    scale = scalers(geometry, facts, size, options)

    def source(name: str, *, block: int | None) -> Source:
        if name not in table:
            return Stored(name)
        cut, terms, _ = table[name]
        return together(cut, scale(name, block), Stored(templates_name(name)), terms=terms, order=facts.order)

    return [partial(source, block=block) for block in range(size.depth)], partial(source, block=None)


def _layer_map(facts: Facts, size: Size, options: PlanOptions) -> tuple[int, ...]:
    """The layer whose scalers a block has, or of those it is made from the nearer; by other rules its own number."""
    if options.scalers != "interp":
        return tuple(range(size.depth))
    return tuple(layer + (beyond > 1 / 2) for layer, beyond in places(facts.nearest(size).depth, size.depth))


def _needs_learning(manifest: Manifest, facts: Facts, size: Size) -> NeedsLearning:
    ready = nearest_first(facts.sizes, size)
    instead = "ask for scalers 'interp'"
    return NeedsLearning(manifest.reference, lacks="scalers", size=size, ready=ready, instead=instead)

"""Subcloning an ancestor: its most important heads, units and residual neurons, and a choice of its layers.

arXiv:2312.09299, section 3. Which of the paper's activations are summed, and which blocks are "in the middle", is ours:
see training.scores and planning.depth.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from learngenes.errors import BadManifest
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.subcloning.options import PlanOptions
from learngenes.planning.blocks import Planned, stored
from learngenes.planning.depth import chosen
from learngenes.planning.expansion import expanded
from learngenes.planning.width import widths
from learngenes.recipe import Entry
from learngenes.sizes import MAX_DEPTH, Size, SizeSpace, Steps
from learngenes.sources import Stored


def space(geometry: Geometry, facts: dict[str, Any]) -> SizeSpace:
    """Any depth; any width of whole heads up to the ancestor's."""
    return SizeSpace(depth=Steps(1, MAX_DEPTH), width=widths(geometry))


def plan(manifest: Manifest, size: Size, options: PlanOptions) -> Planned:
    """Layers by `keep` or `grow`, their tensors picked and scaled; at the ancestor's own size it is the ancestor.

    A learngene that was fitted to a size has some tensors of its own, re-fitted to the default choices, and the others
    from its parent.
    """
    planned = expanded(
        manifest,
        size,
        options,
        blocks=chosen(
            size.depth,
            manifest.geometry.depth,
            keep=options.keep,
            grow=options.grow,
            scores=block_scores(manifest) if options.keep == "importance" else (),
        ),
        layer=lambda layer, at: stored(name(layer)),
        name=name,
    )
    if manifest.parent is None or replace(options, seed=0) != PlanOptions():
        return planned
    own = manifest.weights.tensors
    entries = (
        Entry(entry.name, entry.shape, Stored(fitted(entry.name))) if fitted(entry.name) in own else entry
        for entry in planned.entries
    )
    return replace(planned, entries=tuple(entries))


def name(layer: int) -> str:
    """Where a layer of the ancestor lies in the learngene."""
    return f"blocks.{layer}"


def fitted(tensor: str) -> str:
    """Where the re-fitted values of a descendant's tensor lie."""
    return f"fitted.{tensor}"


def block_scores(manifest: Manifest) -> tuple[float, ...]:
    """The importance of every layer, 1 - E[cos(what enters, what leaves)]; empty if it was not measured."""
    scores = manifest.method_facts.get("block_scores", [])
    if not (isinstance(scores, list | tuple) and all(type(score) in (int, float) for score in scores)):
        raise BadManifest(f"learngene {manifest.reference}: block scores are a list of numbers, got {scores!r}")
    return tuple(scores)

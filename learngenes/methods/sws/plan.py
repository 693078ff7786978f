"""Expanding an SWS learngene: every block of the descendant is the layer of its stage, byte for byte at its own width.

SWS, IJCAI 2024, section 3.3; planning.stages has the map. Ours: other widths, picked from the stages' layers; gains;
and the norms and gains of a size that was fitted.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from learngenes.errors import BadManifest
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.sws.options import PlanOptions
from learngenes.planning.blocks import Planned, stored, within
from learngenes.planning.depth import placed
from learngenes.planning.expansion import expanded
from learngenes.planning.gain import BRANCHES, gains, louder, times
from learngenes.planning.stages import layer_map, stage_counts
from learngenes.planning.width import widths
from learngenes.recipe import Entry
from learngenes.sizes import MAX_DEPTH, Size, SizeSpace, Steps
from learngenes.sources import Source, Stored


def space(geometry: Geometry, facts: dict[str, Any]) -> SizeSpace:
    """Any depth; any width of whole heads up to the auxiliary network's."""
    return SizeSpace(depth=Steps(1, MAX_DEPTH), width=widths(geometry))


def plan(manifest: Manifest, size: Size, options: PlanOptions) -> Planned:
    """The stage of every block and the tensors: by default, at the learngene's width, everything is stored.

    A learngene that was fitted to a size has norms and gains of its own, which go with the default choices, and its
    parent's tensors.
    """
    counts = stage_counts(manifest)
    if sum(counts) != manifest.geometry.depth:
        raise BadManifest(
            f"learngene {manifest.reference}: stages {counts} are {sum(counts)} layers, "
            f"its network has {manifest.geometry.depth}"
        )
    layers = layer_map(size.depth, counts, options)
    factors = gains(layers, counts, options.gain)
    planned = expanded(
        manifest,
        size,
        options,
        blocks=placed(layers),
        layer=lambda stage, at: louder(stored(name(stage)), manifest.geometry, gain=factors[at]),
        name=name,
    )
    plain = manifest.parent is None or "fitted" not in manifest.method_facts
    if plain or replace(options, seed=0) != PlanOptions():
        return planned
    return _calibrated(manifest, planned)


def name(stage: int) -> str:
    """Where the layer of a stage lies in the learngene."""
    return f"stages.{stage}"


def fitted(tensor: str) -> str:
    """Where the fitted values of a descendant's tensor lie."""
    return f"fitted.{tensor}"


def _calibrated(manifest: Manifest, planned: Planned) -> Planned:
    """The descendant with the norms that were fitted in place of its own, and its branches times their gains."""
    own = manifest.weights.tensors
    factors = _fitted_gains(manifest, len(planned.layer_map) * len(BRANCHES))

    def source(entry: Entry) -> Source:
        if fitted(entry.name) in own:
            return Stored(fitted(entry.name))
        block, inner = within(entry.name) or (0, "")
        branch = inner.rpartition(".")[0]
        if branch not in BRANCHES:
            return entry.source
        return times(entry.source, entry.shape, factors[block * len(BRANCHES) + BRANCHES.index(branch)])

    return replace(planned, entries=tuple(replace(entry, source=source(entry)) for entry in planned.entries))


def _fitted_gains(manifest: Manifest, count: int) -> list[float]:
    """Of attention and MLP of the first block, of the second, ...; BadManifest if that is not what is stored."""
    facts = manifest.method_facts.get("fitted")
    found = facts.get("gains") if isinstance(facts, dict) else None
    if not (
        isinstance(found, list | tuple)
        and len(found) == count
        and all(type(gain) is float and math.isfinite(gain) for gain in found)
    ):
        raise BadManifest(
            f"learngene {manifest.reference} was fitted to a size of {count // len(BRANCHES)} blocks and needs "
            f"{count} gains, two for each; got {str(found)[:80]}"
        )
    return list(found)

"""The scalers of a size as sources: stored, or by a rule from what is stored."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from learngenes.families.vit import Geometry, Shape
from learngenes.fresh import INIT_STD
from learngenes.methods.wave.facts import Facts, at, cuts, scalers_name
from learngenes.methods.wave.options import PlanOptions
from learngenes.recipe import derive_seed
from learngenes.sizes import Size
from learngenes.sources import Affine, All, Fill, Joined, Listed, Pick, Resized, Source, Stored

Scalers = Callable[[str, int | None], Source]
"""For a tensor and its block (None outside the blocks): (templates, *grid) numbers."""


def scalers(geometry: Geometry, facts: Facts, size: Size, options: PlanOptions) -> Scalers:
    """The scalers of this size; `fitted` ones have to be stored. geometry: of the learngene, at any size."""
    match options.scalers:
        case "fitted":
            return _stored(geometry, facts, size)
        case "interp":
            return _interpolated(geometry, facts, size)
        case "random":
            return _random(geometry, facts, size, seed=options.seed)
        case "onehot":
            return _one_hot(geometry, facts, size)


def places(layers: int, depth: int) -> list[tuple[int, Fraction]]:
    """For each of `depth` blocks where it stands among `layers`: between layer i and i + 1, and how far beyond i.

    Both are compared by their relative position (l - 1/2) / L of layer l = 1 .. L; ends are not extrapolated.
    """
    made = []
    for block in range(depth):
        where = Fraction((2 * block + 1) * layers, 2 * depth) - Fraction(1, 2)
        where = min(max(where, Fraction(0)), Fraction(layers - 1))
        made.append((math.floor(where), where - math.floor(where)))
    return made


def _stored(geometry: Geometry, facts: Facts, size: Size) -> Scalers:
    table = cuts(at(geometry, size), facts)

    def source(tensor: str, block: int | None) -> Source:
        cut, terms, _ = table[tensor]
        whole = Stored(scalers_name(size, tensor))
        return whole if block is None else _layer(whole, (size.depth, terms, *cut.scalers), block)

    return source


def _interpolated(geometry: Geometry, facts: Facts, size: Size) -> Scalers:
    """Of the nearest stored size: linear in depth, then the grid bilinear and, where inputs are summed, rescaled.

    A grid with more columns of inputs sums over more: sqrt(columns before / columns now) keeps the outputs' size.
    """
    near = facts.nearest(size)
    before, now = cuts(at(geometry, near), facts), cuts(at(geometry, size), facts)
    found = places(near.depth, size.depth)

    def source(tensor: str, block: int | None) -> Source:
        (cut, terms, _), (new, _, _) = before[tensor], now[tensor]
        made: Source = Stored(scalers_name(near, tensor))
        if block is not None:
            view, (layer, beyond) = (near.depth, terms, *cut.scalers), found[block]
            first = _layer(made, view, layer, float(1 - beyond))
            made = Affine(first, _layer(made, view, layer + 1), float(beyond)) if beyond else first
        if cut.grid == new.grid:
            return made
        grid = (terms, cut.parts, cut.grid[0] // cut.parts, cut.grid[1])
        made = Resized(made, grid, (2, 3), (new.grid[0] // new.parts, new.grid[1]), "bilinear")
        factor = math.sqrt(cut.grid[1] / new.grid[1]) if cut.inputs else 1.0
        return made if factor == 1.0 else _times(made, (terms, *new.scalers), factor)

    return source


def _random(geometry: Geometry, facts: Facts, size: Size, *, seed: int) -> Scalers:
    """Cut normal of variance 1 / templates before cutting: sums of them have the size of one template."""
    table = cuts(at(geometry, size), facts)

    def source(tensor: str, block: int | None) -> Source:
        cut, terms, _ = table[tensor]
        fill = Fill("truncated_normal", derive_seed(seed, f"{scalers_name(size, tensor)}.{block}"))
        return _times(fill, (terms, *cut.scalers), 1 / (INIT_STD * math.sqrt(terms)))

    return source


def _one_hot(geometry: Geometry, facts: Facts, size: Size) -> Scalers:
    """Template `block mod templates` at every place of the grid; outside the blocks the first."""
    table = cuts(at(geometry, size), facts)

    def source(tensor: str, block: int | None) -> Source:
        cut, terms, _ = table[tensor]
        chosen = (block or 0) % terms
        counts = ((chosen, Fill("zeros")), (1, Fill("ones")), (terms - chosen - 1, Fill("zeros")))
        kept = [(count, fill) for count, fill in counts if count]
        if len(kept) == 1:
            return kept[0][1]
        return Joined(tuple(fill for _, fill in kept), tuple((count, *cut.scalers) for count, _ in kept), axis=0)

    return source


def _layer(source: Source, view: Shape, layer: int, factor: float = 1.0) -> Source:
    return Pick(source, view, (Listed((layer,)), *(All() for _ in view[1:])), factor)


def _times(source: Source, shape: Shape, factor: float) -> Source:
    return Pick(source, shape, tuple(All() for _ in shape), factor)

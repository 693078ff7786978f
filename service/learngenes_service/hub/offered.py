"""Which sizes of a learngene are told of, and which of them `main` is. Every other legal size has its address, too."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from learngenes.catalog import Catalog
from learngenes.errors import NeedsLearning
from learngenes.gene import Manifest, size_fitted
from learngenes.initialize import Request, initialize
from learngenes.ready import fitted_to
from learngenes.sizes import Size, nearest_first
from learngenes.zoo import METHODS

COMMON_DEPTHS, COMMON_WIDTHS = (3, 6, 9, 12), (192, 384, 768)
"""What people try first, of learngenes that are not measured."""

MOST_SIZES = 48
MOST_BLOCKS = 1000
"""All sizes that are told of have so many blocks at most, beside `main`: each is planned, block by block."""


def fitted_sizes(manifest: Manifest, catalog: Catalog, *, names: Sequence[str] | None = None) -> list[Size]:
    """Sizes that something was fitted to. names: all of the catalog, for who has them already."""
    return [size_fitted(child) for child in fitted_to(catalog, manifest, names=names)]


def main_size(manifest: Manifest, fitted: Sequence[Size]) -> Size:
    """The learngene's own size, or the nearest to it that it takes; if that has to be fitted first, the nearest ready.

    fitted: what `fitted_sizes` says.
    """
    own = manifest.space.nearest(manifest.geometry.depth, manifest.geometry.width)
    method = METHODS.get(manifest.method)
    if own in fitted or method is None or not method.fits:
        return own
    try:
        initialize(manifest, Request(depth=own.depth, width=own.width))
    except NeedsLearning as error:
        return nearest_first({*error.ready, *fitted} or {own}, own)[0]
    return own


def offered(manifest: Manifest, fitted: Sequence[Size]) -> list[Size]:
    """`main`'s size, then by size those measured and fitted, else common ones; the smaller ones if there are many."""
    main = main_size(manifest, fitted)
    known = {Size(entry.depth, entry.width) for entry in manifest.quality} | {*fitted}
    if not known:
        known = {Size(depth, width) for depth in COMMON_DEPTHS for width in COMMON_WIDTHS}
    space = manifest.space
    legal = sorted(size for size in known - {main} if size.depth in space.depth and size.width in space.width)
    blocks = itertools.accumulate(size.depth for size in legal)
    return [main, *(size for size, total in zip(legal, blocks, strict=True) if total <= MOST_BLOCKS)][:MOST_SIZES]

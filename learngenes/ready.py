"""Which learngene answers a request: the one that is named, or the one that was fitted to the size asked for."""

from __future__ import annotations

from collections.abc import Sequence

from learngenes import gene
from learngenes.catalog import Catalog
from learngenes.errors import NeedsLearning
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize, method_of, size_of
from learngenes.recipe import Recipe
from learngenes.sizes import Size, nearest_first
from learngenes.zoo import METHODS


def ready(catalog: Catalog, manifest: Manifest, request: Request) -> Manifest:
    """The learngene to plan with: naming one is enough to be served from what was fitted to this size of it.

    What was fitted stands for the method's own choices; a request that makes others is answered by the learngene named.
    """
    depth, width = size_of(manifest, request)
    method = method_of(manifest)
    if not method.fits or depth not in manifest.space.depth or width not in manifest.space.width:
        return manifest
    defaults = method.options()
    if any(getattr(defaults, name, value) != value for name, value in request.options.items()):
        return manifest
    return catalog.fitted(manifest, Size(depth, width)) or manifest


def planned(catalog: Catalog, manifest: Manifest, request: Request) -> tuple[Recipe, Manifest]:
    """The recipe of a request and the learngene it is of; raises what `initialize` does.

    NeedsLearning names the sizes that were fitted among those that can be had at once.
    """
    chosen = ready(catalog, manifest, request)
    try:
        return initialize(chosen, request), chosen
    except NeedsLearning as error:
        sizes = {*error.ready, *(gene.size_fitted(child) for child in fitted_to(catalog, manifest))}
        raise error.with_ready(nearest_first(sizes, error.size)) from None


def fitted_to(catalog: Catalog, manifest: Manifest, *, names: Sequence[str] | None = None) -> list[Manifest]:
    """Every learngene that was fitted to a size of this one: the newest of each size, by name.

    names: all of the catalog, for who has them already.
    """
    method = METHODS.get(manifest.method)
    if method is None or not method.fits:
        return []
    found = []
    for name in catalog.names() if names is None else names:
        if name.startswith(f"{manifest.name}-depth"):
            child = catalog.completing(name, manifest)
            found += [] if child is None else [child]
    return found


def with_fitted(catalog: Catalog, manifest: Manifest) -> list[Manifest]:
    """The learngene, and every one that was fitted to a size of it."""
    return [manifest, *fitted_to(catalog, manifest)]

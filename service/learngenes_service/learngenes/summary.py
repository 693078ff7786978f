"""What is said of a learngene."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from learngenes import gene
from learngenes.catalog import Catalog
from learngenes.gene import Manifest, size_fitted
from learngenes.ready import fitted_to


def whole(manifest: Manifest, catalog: Catalog) -> dict[str, Any]:
    """All of it: the summary, the manifest, and the versions and aliases of the name."""
    versions = [
        {"version": version, "yanked": catalog.yanks.has(f"{manifest.name}@{version}")}
        for version in catalog.versions(manifest.name)
    ]
    table: dict[str, Any] = json.loads(gene.to_json(manifest))
    return summary(manifest, catalog) | table | {"versions": versions, "aliases": catalog.aliases(manifest.name)}


def summary(manifest: Manifest, catalog: Catalog) -> dict[str, Any]:
    """What a list says of a version; `yanked` is null or why and when it was taken back."""
    yank = catalog.yanks.get(manifest.reference)
    facts = {
        "name": manifest.name,
        "version": manifest.version,
        "reference": manifest.reference,
        "digest": manifest.digest,
        "method": manifest.method,
        "family": manifest.family,
        "geometry": asdict(manifest.geometry),
        "space": asdict(manifest.space),
        "varies": list(manifest.varies),
        "bytes": manifest.weights.bytes,
        "dtype": manifest.dtype,
        "license": manifest.license,
        "description": manifest.description,
        "quality": [asdict(measurement) for measurement in manifest.quality],
        "yanked": None if yank is None else asdict(yank),
    }
    if manifest.parent is not None:
        return facts | {"parent": asdict(manifest.parent)}
    children = fitted_to(catalog, manifest)
    return facts | {"fitted": [{"reference": child.reference, **asdict(size_fitted(child))} for child in children]}

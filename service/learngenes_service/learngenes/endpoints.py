"""GET /v1/learngenes and /v1/methods."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from learngenes import gene
from learngenes.catalog import Catalog
from learngenes.gene import Manifest
from learngenes.ready import fitted_to, size_fitted
from learngenes.zoo import METHODS, Method
from learngenes_service.learngenes.options import schema_of
from learngenes_service.problems import documented
from learngenes_service.state import TheShelf

router = APIRouter(prefix="/v1", tags=["learngenes"])


@router.get("/learngenes")
def list_learngenes(shelf: TheShelf) -> JSONResponse:
    """Every learngene, newest version of each, and the default one; what was fitted to a size stands in its parent."""
    catalog = shelf.catalog
    manifests = [catalog.get(name) for name in catalog.names()]
    rows = [_summary(manifest, catalog) for manifest in manifests if manifest.parent is None]
    return JSONResponse({"default": shelf.default, "learngenes": rows})


@router.get("/learngenes/{reference}", responses=documented(404, 422))
def get_learngene(reference: str, shelf: TheShelf) -> JSONResponse:
    """The whole manifest of `name` or `name@version`; of one that was fitted to a size, with its `parent`."""
    manifest = shelf.catalog.get(reference)
    return JSONResponse(_summary(manifest, shelf.catalog) | json.loads(gene.to_json(manifest)))


@router.get("/methods")
def list_methods() -> JSONResponse:
    """Every method: what a request may vary, and the options of planning and of learning as JSON Schema."""
    return JSONResponse({"methods": _methods()})


@cache
def _methods() -> list[dict[str, Any]]:
    return [_method(name, method) for name, method in METHODS.items()]


def _method(name: str, method: Method) -> dict[str, Any]:
    return {
        "name": name,
        "title": method.title,
        "paper": method.paper,
        "version": method.version,
        "varies": list(method.varies),
        "fits": method.fits,
        "options": schema_of(method.options, without=("seed",)),
        "learning": schema_of(method.learning),
    }


def _summary(manifest: Manifest, catalog: Catalog) -> dict[str, Any]:
    summary = {
        "name": manifest.name,
        "version": manifest.version,
        "reference": manifest.reference,
        "digest": gene.digest(manifest),
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
    }
    if manifest.parent is not None:
        return summary | {"parent": asdict(manifest.parent)}
    children = fitted_to(catalog, manifest)
    return summary | {"fitted": [{"reference": child.reference, **asdict(size_fitted(child))} for child in children]}

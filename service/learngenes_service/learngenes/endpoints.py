"""GET /v1/learngenes and /v1/methods."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from learngenes import gene
from learngenes.gene import Manifest
from learngenes.zoo import METHODS
from learngenes_service.problems import documented
from learngenes_service.state import TheShelf

router = APIRouter(prefix="/v1", tags=["learngenes"])


@router.get("/learngenes")
def list_learngenes(shelf: TheShelf) -> JSONResponse:
    """Every learngene, newest version of each, and the default one."""
    rows = [_summary(shelf.catalog.get(name)) for name in shelf.catalog.names()]
    return JSONResponse({"default": shelf.default, "learngenes": rows})


@router.get("/learngenes/{reference}", responses=documented(404, 422))
def get_learngene(reference: str, shelf: TheShelf) -> JSONResponse:
    """The whole manifest of `name` or `name@version`."""
    manifest = shelf.catalog.get(reference)
    return JSONResponse(_summary(manifest) | json.loads(gene.to_json(manifest)))


@router.get("/methods")
def list_methods() -> JSONResponse:
    """Every method, what it can vary, and its options."""
    rows = [
        {
            "name": name,
            "title": method.title,
            "paper": method.paper,
            "version": method.version,
            "varies": list(method.varies),
            "options": [field.name for field in dataclasses.fields(method.options)],
        }
        for name, method in METHODS.items()
    ]
    return JSONResponse({"methods": rows})


def _summary(manifest: Manifest) -> dict[str, Any]:
    return {
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

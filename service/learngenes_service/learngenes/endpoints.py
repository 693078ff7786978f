"""GET /v1/learngenes and /v1/methods."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from learngenes.zoo import METHODS, Method
from learngenes_service.learngenes.options import schema_of
from learngenes_service.learngenes.summary import summary, whole
from learngenes_service.problems import documented
from learngenes_service.state import TheShelf

router = APIRouter(prefix="/v1", tags=["learngenes"])


@router.get("/learngenes")
def list_learngenes(shelf: TheShelf) -> JSONResponse:
    """Every learngene, newest version of each, and the default one; what was fitted to a size stands in its parent.

    `yanked` says why and when a version was taken back; of a name that has others the newest of those is listed.
    """
    catalog = shelf.catalog
    manifests = [catalog.get(name, yanked=True) for name in catalog.names()]
    rows = [summary(manifest, catalog) for manifest in manifests if manifest.parent is None]
    return JSONResponse({"default": shelf.default, "learngenes": rows})


@router.get("/learngenes/{reference}", responses=documented(404, 422))
def get_learngene(reference: str, shelf: TheShelf) -> JSONResponse:
    """The whole manifest of `name`, `name@version` or `name@alias`, with all `versions` and `aliases` of that name.

    Of one that was fitted to a size with its `parent`; of a version that was taken back with why and when in `yanked`.
    """
    return JSONResponse(whole(shelf.catalog.get(reference, yanked=True), shelf.catalog))


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

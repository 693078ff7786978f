"""What may be said of a published version, which itself never changes: aliases, yanks, a signature."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from learngenes import signing
from learngenes.aliases import check_alias
from learngenes.catalog import Catalog
from learngenes.gene import Manifest
from learngenes_service.access.callers import Caller, TheCaller, need, needs
from learngenes_service.descendants.small import REVALIDATED, small_response
from learngenes_service.json_body import need_json
from learngenes_service.learngenes.summary import summary
from learngenes_service.problems import documented
from learngenes_service.publishing.bodies import AliasBody, YankBody, read_body
from learngenes_service.publishing.requests import UNKEPT, pinned
from learngenes_service.state import TheShelf

router = APIRouter(prefix="/v1/learngenes", tags=["publishing"])

Train, Admin = Depends(needs("train")), Depends(needs("admin"))
_ALIAS = {"requestBody": {"required": True, "content": {"application/json": {"schema": AliasBody.model_json_schema()}}}}
_YANK = {"requestBody": {"required": True, "content": {"application/json": {"schema": YankBody.model_json_schema()}}}}
_BUNDLE = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}
_SIGNED: dict[int | str, dict[str, Any]] = {304: {"description": "the ETag in If-None-Match is still this one's"}}


@router.put(
    "/{name}/aliases/{alias}", responses=documented(403, 404, 413, 415, 422), openapi_extra=_ALIAS, dependencies=[Train]
)
async def put_alias(name: str, alias: str, request: Request, caller: TheCaller, shelf: TheShelf) -> JSONResponse:
    """Let `name@alias` be this version from now on, by scope admin; it is no error if it is already."""
    need_json(request)
    body = read_body(await request.body(), AliasBody)
    manifest = await asyncio.to_thread(_aliased, shelf.catalog, f"{name}@{body.version}", alias, caller)
    document = {"alias": f"{name}@{alias}", "name": name, "version": manifest.version, "reference": manifest.reference}
    return JSONResponse(document, headers=UNKEPT)


@router.put(
    "/{reference}/yank", responses=documented(403, 404, 413, 415, 422), openapi_extra=_YANK, dependencies=[Admin]
)
async def put_yank(reference: str, request: Request, shelf: TheShelf) -> JSONResponse:
    """Take `name@version` back: it stays, but is passed over by name, and 410 with the reason wherever it is asked for.

    Who adds `?yanked=allow` still gets it. Other replicas know within seconds.
    """
    need_json(request)
    body = read_body(await request.body(), YankBody)
    return await asyncio.to_thread(_yanked, shelf.catalog, reference, body.reason)


@router.delete("/{reference}/yank", responses=documented(403, 404, 422), dependencies=[Admin])
async def delete_yank(reference: str, shelf: TheShelf) -> JSONResponse:
    """Put `name@version` back."""
    return await asyncio.to_thread(_yanked, shelf.catalog, reference, None)


@router.put(
    "/{reference}/signature", responses=documented(403, 404, 413, 415, 422), openapi_extra=_BUNDLE, dependencies=[Train]
)
async def put_signature(reference: str, request: Request, caller: TheCaller, shelf: TheShelf) -> JSONResponse:
    """Keep a signature of `name@version` in the Model Signing format; it has to be of this version's very files.

    Who signed it is not checked here: that takes the signer's public key, see `learngenes verify`. A newer one counts,
    and is put in the place of another by scope admin alone.
    """
    need_json(request)
    raw = await request.body()

    def keep() -> Manifest:
        manifest = shelf.catalog.get(pinned(reference))
        what = f"another signature of {manifest.reference}"
        signing.keep(shelf.catalog.store, manifest, raw, replaces=lambda: need(caller, "admin", what=what))
        return manifest

    manifest = await asyncio.to_thread(keep)
    return JSONResponse({"reference": manifest.reference, "bytes": len(raw)}, headers=UNKEPT)


@router.head("/{reference}/signature", include_in_schema=False)
@router.get("/{reference}/signature", responses=_SIGNED | documented(404, 416, 422), response_class=Response)
async def get_signature(reference: str, request: Request, shelf: TheShelf) -> Response:
    """The newest signature, in the Model Signing format; 404 `not-signed` if there is none."""
    manifest = await shelf.manifest(reference)
    raw = await asyncio.to_thread(signing.read, shelf.catalog.store, manifest)
    place = f"/v1/learngenes/{manifest.reference}/signature"
    return small_response(
        request, "signature.json", raw, cache_control=REVALIDATED, headers={"content-location": place}
    )


def _aliased(catalog: Catalog, reference: str, alias: str, caller: Caller) -> Manifest:
    manifest = catalog.get(reference)
    points_to = catalog.aliases(manifest.name).get(check_alias(alias))
    if points_to == manifest.version:
        return manifest
    need(caller, "admin", what=f"setting the alias {manifest.name}@{alias}")
    catalog.move_alias(manifest.name, alias, manifest.version)
    return manifest


def _yanked(catalog: Catalog, reference: str, reason: str | None) -> JSONResponse:
    manifest = catalog.get(pinned(reference))
    if reason is None:
        catalog.unyank(manifest.reference)
    else:
        catalog.yank(manifest.reference, reason)
    return JSONResponse(summary(manifest, catalog), headers=UNKEPT)

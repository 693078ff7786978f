"""The files of a learngene itself: with them and a recipe anybody builds a descendant, without this service."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from learngenes import gene
from learngenes.card import learngene_card
from learngenes.gene import Manifest
from learngenes_service.descendants.ranges import negotiate
from learngenes_service.descendants.response import MEDIA_TYPE, VirtualFileResponse, out_of_range
from learngenes_service.descendants.small import FOR_EVER, REVALIDATED, small_response
from learngenes_service.problems import documented
from learngenes_service.state import TheShelf

WEIGHTS = "learngene.safetensors"
MANIFEST = "manifest.json"
CARD = "README.md"

router = APIRouter(prefix="/v1/learngenes", tags=["learngenes"])

_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    206: {"description": "the range asked for"},
    304: {"description": "the ETag in If-None-Match is still this file's"},
}


@router.head(f"/{{reference}}/{WEIGHTS}", include_in_schema=False)
@router.get(f"/{{reference}}/{WEIGHTS}", responses=_BYTES | documented(404, 416, 422), response_class=Response)
async def get_weights(reference: str, request: Request, shelf: TheShelf) -> Response:
    """The stored file, any byte range of it; its ETag is its sha256. Content-Location names the version."""
    manifest = await shelf.shown(await shelf.manifest(reference))
    name, weights = f"{manifest.reference.replace('@', '-v')}.safetensors", manifest.weights
    headers = {
        "etag": f'"{weights.sha256}"',
        "accept-ranges": "bytes",
        # Of a name alone another version may answer tomorrow.
        "cache-control": FOR_EVER if reference == manifest.reference else REVALIDATED,
        "content-type": MEDIA_TYPE,
        "content-disposition": f'attachment; filename="{name}"',
        "content-location": _url(manifest, WEIGHTS),
        "repr-digest": f"sha-256=:{base64.b64encode(bytes.fromhex(weights.sha256)).decode()}:",
    }
    answer = negotiate(request.headers, method=request.method, size=weights.bytes, etag=headers["etag"])
    if answer.status == 416:
        return out_of_range(weights.bytes)
    if request.method == "HEAD" or answer.status == 304:  # the store need not be asked for the file
        return Response(b"", answer.status, headers | answer.headers(weights.bytes))
    return VirtualFileResponse(await shelf.stored(manifest), computing=shelf.computing, headers=headers, answer=answer)


@router.head("/{reference}/{name}", include_in_schema=False)
@router.get("/{reference}/{name}", responses=documented(404, 416, 422), response_class=Response)
async def get_file(reference: str, name: str, request: Request, shelf: TheShelf) -> Response:
    """manifest.json (all that is known, and the sha256 of every tensor) and README.md (the model card)."""
    manifest = await shelf.manifest(reference)
    files = {MANIFEST: gene.to_json, CARD: learngene_card}
    if name not in files:
        raise HTTPException(404)
    raw = await asyncio.to_thread(files[name], manifest)
    kept = FOR_EVER if name == MANIFEST and reference == manifest.reference else REVALIDATED
    return small_response(request, name, raw, cache_control=kept, headers={"content-location": _url(manifest, name)})


def _url(manifest: Manifest, name: str) -> str:
    return f"/v1/learngenes/{manifest.reference}/{name}"

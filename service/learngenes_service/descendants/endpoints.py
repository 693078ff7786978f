"""GET and HEAD of a descendant by its id."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from learngenes_service.descendants.document import WEIGHTS, describe, file_name, small_files, url_of
from learngenes_service.descendants.ranges import negotiate
from learngenes_service.descendants.response import MEDIA_TYPE, VirtualFileResponse, out_of_range
from learngenes_service.memory import Descendant
from learngenes_service.problems import documented
from learngenes_service.state import Shelf, TheShelf

router = APIRouter(prefix="/v1/descendants", tags=["descendants"])

_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    206: {"description": "the range asked for", "content": {MEDIA_TYPE: {}}},
    304: {"description": "the ETag in If-None-Match is still this file's"},
}


@router.head("/{id}", include_in_schema=False)
@router.get("/{id}", responses=documented(404))
async def get_document(id: str, request: Request, shelf: TheShelf) -> JSONResponse:
    """The descendant document: size, cost, init report, lineage, quality, files with their sha256."""
    descendant = await shelf.get(id)
    sha256 = await shelf.sha256(descendant)
    return JSONResponse(await describe(descendant, base_url=str(request.base_url).rstrip("/"), sha256=sha256))


@router.head(f"/{{id}}/{WEIGHTS}", include_in_schema=False)
@router.get(f"/{{id}}/{WEIGHTS}", responses=_BYTES | documented(404, 416), response_class=Response)
async def get_weights(id: str, shelf: TheShelf) -> Response:
    """The checkpoint: any byte range of it, resumable, cacheable for ever."""
    return weights_response(await shelf.get(id), shelf)


@router.head("/{id}/{name}", include_in_schema=False)
@router.get("/{id}/{name}", responses=documented(404), response_class=Response)
async def get_file(id: str, name: str, request: Request, shelf: TheShelf) -> Response:
    """config.json (how it loads) and recipe.json (rebuilds the bytes anywhere)."""
    descendant = await shelf.get(id)
    files = small_files(descendant)
    if name not in files:
        raise HTTPException(404)
    raw = files[name]
    sha256 = hashlib.sha256(raw)
    etag = f'"{sha256.hexdigest()}"'
    answer = negotiate(request.headers, method=request.method, size=len(raw), etag=etag)
    if answer.status == 416:
        return out_of_range(len(raw))
    headers = {
        "etag": etag,
        "accept-ranges": "bytes",
        "cache-control": "public, max-age=31536000, immutable",
        "repr-digest": f"sha-256=:{base64.b64encode(sha256.digest()).decode()}:",
        **answer.headers(len(raw)),
    }
    body = raw[answer.start : answer.stop] if request.method == "GET" else b""
    return Response(body, answer.status, headers, media_type="application/json")


def weights_response(descendant: Descendant, shelf: Shelf, *, location: bool = False) -> VirtualFileResponse:
    """The stream of a descendant's weights; location: say where it can be resumed."""
    id = descendant.file.id
    headers = {"content-disposition": f'attachment; filename="{file_name(descendant)}"'}
    if location:
        headers |= {"content-location": url_of(id, WEIGHTS), "vary": "accept"}
    return VirtualFileResponse(descendant.file, computing=shelf.computing, headers=headers)

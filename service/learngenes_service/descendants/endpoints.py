"""GET and HEAD of a descendant by its id."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from learngenes_service.descendants.document import WEIGHTS, describe, file_name, small_files, url_of
from learngenes_service.descendants.response import MEDIA_TYPE, VirtualFileResponse
from learngenes_service.descendants.small import FOR_EVER, REVALIDATED, small_response
from learngenes_service.memory import Descendant
from learngenes_service.problems import documented
from learngenes_service.state import Shelf, TheShelf
from learngenes_service.waiting import unless_gone

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
    sha256 = await unless_gone(request.receive, shelf.sha256(descendant))
    return JSONResponse(await describe(descendant, base_url=str(request.base_url).rstrip("/"), sha256=sha256))


@router.head(f"/{{id}}/{WEIGHTS}", include_in_schema=False)
@router.get(f"/{{id}}/{WEIGHTS}", responses=_BYTES | documented(404, 416), response_class=Response)
async def get_weights(id: str, shelf: TheShelf) -> Response:
    """The checkpoint: any byte range of it, resumable, cacheable for ever."""
    return weights_response(await shelf.get(id), shelf)


@router.head("/{id}/{name}", include_in_schema=False)
@router.get("/{id}/{name}", responses=documented(404), response_class=Response)
async def get_file(id: str, name: str, request: Request, shelf: TheShelf) -> Response:
    """config.json (how it loads), recipe.json (rebuilds the bytes anywhere), README.md (the model card)."""
    descendant = await shelf.get(id)
    files = small_files(descendant)
    if name not in files:
        raise HTTPException(404)
    kept = FOR_EVER if name == "recipe.json" else REVALIDATED
    return small_response(request, name, files[name], cache_control=kept)


def weights_response(descendant: Descendant, shelf: Shelf, *, location: bool = False) -> VirtualFileResponse:
    """The stream of a descendant's weights; location: say where it can be resumed."""
    id = descendant.file.id
    headers = {"content-disposition": f'attachment; filename="{file_name(descendant)}"'}
    if location:
        headers |= {"content-location": url_of(id, WEIGHTS), "vary": "accept"}
    return VirtualFileResponse(descendant.file, computing=shelf.computing, headers=headers)

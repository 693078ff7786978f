"""PUT and DELETE /v1/blobs/{sha256}, and POST /v1/learngenes: how learngenes get in."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import JSONResponse, Response

from learngenes_service.access.callers import TheCaller, needs
from learngenes_service.headers import answer_to
from learngenes_service.json_body import need_json
from learngenes_service.learngenes.summary import whole
from learngenes_service.problems import ProblemResponse, Refusal, documented
from learngenes_service.publishing.bodies import CheckpointBody, ManifestBody, read_publication
from learngenes_service.publishing.publications import Asked
from learngenes_service.publishing.receiving import length, receive
from learngenes_service.publishing.requests import UNKEPT, ThePublications, catalog_of, owner_of

blobs = APIRouter(prefix="/v1/blobs", tags=["publishing"])
router = APIRouter(prefix="/v1/learngenes", tags=["publishing"])

_FILE = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}}
_STAGED: dict[int | str, dict[str, Any]] = {
    200: {"description": "the file is here already; what is sent all the same is thrown away"},
    201: {"description": "the file is whole, of this digest, and waits to be published"},
}
_FORMS = [CheckpointBody.model_json_schema(), ManifestBody.model_json_schema()]
_FORM = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"anyOf": _FORMS}}}}}
_PUBLISHED: dict[int | str, dict[str, Any]] = {
    200: {"description": "a version has this very content already; Content-Location is where it is"},
    201: {"description": "published; Location is where"},
}

Train = Depends(needs("train"))
Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


@blobs.put(
    "/{sha256}",
    responses=_STAGED | documented(400, 403, 408, 411, 413, 422, 507),
    openapi_extra=_FILE,
    dependencies=[Train],
    response_class=JSONResponse,
)
async def put_blob(sha256: Sha256, request: Request, caller: TheCaller, publications: ThePublications) -> Response:
    """Upload a safetensors file, to be published within a day, by the same caller.

    It is checked while it comes in: its digest, then its header as strictly as those of learngenes. Content-Length is
    needed; what ends early leaves nothing.
    """
    size, owner = length(request, most=publications.most_bytes), owner_of(request, caller)
    if (there := await asyncio.to_thread(publications.there, sha256, caller, owner)) is not None:
        return JSONResponse({"sha256": sha256, "bytes": there}, 200, UNKEPT)
    with contextlib.ExitStack() as place:
        upload = await asyncio.to_thread(place.enter_context, publications.staging.coming(size, owner))
        await receive(request, upload, size=size)
        await asyncio.to_thread(upload.keep, sha256)
    return JSONResponse({"sha256": sha256, "bytes": size}, 201, UNKEPT)


@blobs.delete("/{sha256}", responses=documented(403, 404, 422), dependencies=[Train])
async def delete_blob(
    sha256: Sha256, request: Request, caller: TheCaller, publications: ThePublications
) -> JSONResponse:
    """Forget an upload of the caller's that waits to be published; with scope admin anybody's."""
    owner = None if "admin" in caller.scopes else owner_of(request, caller)
    if not await asyncio.to_thread(publications.staging.forget, sha256, owner):
        detail = f"no upload of sha256 {sha256} waits to be published that you may delete"
        raise Refusal(ProblemResponse(404, "upload-not-found", detail))
    return JSONResponse({"sha256": sha256}, headers=UNKEPT)


@router.post(
    "",
    responses=_PUBLISHED | documented(403, 404, 409, 413, 415, 422, 507),
    openapi_extra=_FORM,
    dependencies=[Train],
    response_class=JSONResponse,
)
async def publish(request: Request, caller: TheCaller, publications: ThePublications) -> Response:
    """Publish an uploaded file as the next version of a learngene; versions never change.

    Either a learngene of another store, by its `manifest`, or a whole network by timm's names, whose geometry is read
    from its tensors. The same content again is answered with the version that has it. A new version of a name that
    exists, and what was fitted to a size of another learngene, need scope admin.
    """
    need_json(request)
    body = read_publication(await request.body())
    asked = Asked(caller, owner_of(request, caller), catalog_of(request, caller))
    async with publications.turn:
        manifest, new = await asyncio.to_thread(publications.publish, body, asked)
    answer_to(request.scope).private = caller.sees_private
    document = await asyncio.to_thread(whole, manifest, publications.catalog)
    place = f"/v1/learngenes/{manifest.reference}"
    headers = UNKEPT | ({"location": place} if new else {"content-location": place})
    return JSONResponse(document, 201 if new else 200, headers)

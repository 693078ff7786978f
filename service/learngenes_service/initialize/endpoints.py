"""POST /initialize: the reason this service exists."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from learngenes.errors import NeedsLearning
from learngenes_service.access.callers import TheCaller
from learngenes_service.descendants.document import describe
from learngenes_service.descendants.endpoints import weights_response
from learngenes_service.descendants.response import MEDIA_TYPE
from learngenes_service.initialize import needs_learning
from learngenes_service.initialize.reading import read
from learngenes_service.initialize.schemas import InitializeBody
from learngenes_service.problems import documented
from learngenes_service.state import TheShelf
from learngenes_service.waiting import unless_gone

router = APIRouter(tags=["initialize"])

_OPENAPI = {"requestBody": {"content": {"application/json": {"schema": InitializeBody.model_json_schema()}}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the checkpoint, or with `Accept: application/json` the descendant document",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}, "application/json": {}},
    },
    202: {"description": "with `?learn=auto`: the job that fits the size; Location is where it is followed"},
}


@router.post(
    "/initialize",
    responses=_ANSWERS | documented(403, 404, 409, 413, 415, 422, 503),
    openapi_extra=_OPENAPI,
    response_class=Response,
)
async def post_initialize(
    request: Request,
    shelf: TheShelf,
    caller: TheCaller,
    learn: Annotated[Literal["auto"] | None, Query(description="ask for the job that fits the size")] = None,
) -> Response:
    """Initialize a Vision Transformer of the size you name and download it.

    The answer is the safetensors checkpoint itself; Content-Location is where it can be resumed or fetched again.
    A size that has to be fitted first is 409 `needs-learning`, with the `job` to post to /v1/jobs and the best
    `alternative` that can be had at once. With `?learn=auto` (scope train) the job is asked for instead: 202, with
    Location of the job. When it has finished the same request is answered with the checkpoint.
    """
    manifest, wanted = await read(await request.body(), shelf)
    try:
        descendant = await shelf.initialize(manifest, wanted)
    except NeedsLearning as error:
        if learn is None:
            raise await needs_learning.refuse(error, manifest, shelf) from None
        return await needs_learning.learn(error, manifest, shelf, request=request, caller=caller)
    if _wants_document(request.headers.get("accept", "*/*")):
        base_url = str(request.base_url).rstrip("/")
        sha256 = await unless_gone(request.receive, shelf.sha256(descendant))
        return JSONResponse(await describe(descendant, base_url=base_url, sha256=sha256), headers={"vary": "accept"})
    return weights_response(descendant, shelf, location=True)


def _wants_document(accept: str) -> bool:
    """JSON only for who asks for it by name, and not for the checkpoint as much."""
    weights = {"application/json": 0.0, MEDIA_TYPE: 0.0}
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        if kind in weights:
            weights[kind] = max(weights[kind], quality)
    return weights["application/json"] > weights[MEDIA_TYPE]

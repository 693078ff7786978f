"""POST /initialize: the reason this service exists."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from learngenes_service.descendants.document import describe
from learngenes_service.descendants.endpoints import weights_response
from learngenes_service.descendants.response import MEDIA_TYPE
from learngenes_service.initialize.reading import read
from learngenes_service.initialize.schemas import InitializeBody
from learngenes_service.problems import documented
from learngenes_service.state import TheShelf

router = APIRouter(tags=["initialize"])

_OPENAPI = {"requestBody": {"content": {"application/json": {"schema": InitializeBody.model_json_schema()}}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the checkpoint, or with `Accept: application/json` the descendant document",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}, "application/json": {}},
    }
}


@router.post(
    "/initialize", responses=_ANSWERS | documented(404, 409, 413, 422), openapi_extra=_OPENAPI, response_class=Response
)
async def post_initialize(request: Request, shelf: TheShelf) -> Response:
    """Initialize a Vision Transformer of the size you name and download it.

    The answer is the safetensors checkpoint itself; Content-Location is where it can be resumed or fetched again.
    A size that has to be fitted first is 409 `needs-learning`, with the sizes that are ready and the command that fits.
    """
    descendant = await shelf.initialize(*await read(await request.body(), shelf))
    if _wants_document(request.headers.get("accept", "*/*")):
        base_url = str(request.base_url).rstrip("/")
        sha256 = await shelf.sha256(descendant)
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

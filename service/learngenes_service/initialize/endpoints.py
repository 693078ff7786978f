"""POST /initialize: the reason this service exists."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

from learngenes.errors import InvalidValue, LearngenesError
from learngenes_service.descendants.document import describe
from learngenes_service.descendants.endpoints import weights_response
from learngenes_service.descendants.response import MEDIA_TYPE
from learngenes_service.initialize.schemas import InitializeBody
from learngenes_service.problems import documented, size_facts, validation_problem
from learngenes_service.state import Shelf, TheShelf

router = APIRouter(tags=["initialize"])

_OPENAPI = {"requestBody": {"content": {"application/json": {"schema": InitializeBody.model_json_schema()}}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the checkpoint, or with `Accept: application/json` the descendant document",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}, "application/json": {}},
    }
}


@router.post(
    "/initialize", responses=_ANSWERS | documented(404, 413, 422), openapi_extra=_OPENAPI, response_class=Response
)
async def post_initialize(request: Request, shelf: TheShelf) -> Response:
    """Initialize a Vision Transformer of the size you name and download it.

    The answer is the safetensors checkpoint itself; Content-Location is where it can be resumed or fetched again.
    """
    raw = await request.body()
    try:
        body = InitializeBody.model_validate_json(raw or b"{}")
    except ValidationError as error:
        fields = tuple(InitializeBody.model_fields)
        faults = error.errors(include_url=False, include_context=False)
        return validation_problem(faults, known=fields, **await _legal(raw, shelf))
    manifest = await shelf.manifest(body.learngene)
    if body.method not in (None, manifest.method):
        raise InvalidValue(
            f"learngene {manifest.reference} is of method {manifest.method!r}, not {body.method!r}: name another"
        )
    descendant = await shelf.initialize(manifest, body.to_request())
    if _wants_document(request.headers.get("accept", "*/*")):
        base_url = str(request.base_url).rstrip("/")
        return JSONResponse(await describe(descendant, shelf, base_url=base_url), headers={"vary": "accept"})
    return weights_response(descendant, location=True)


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


async def _legal(raw: bytes, shelf: Shelf) -> dict[str, Any]:
    """The legal space, and the size nearest to what can be made out of a body that is not valid."""
    try:
        asked = json.loads(raw)
        manifest = await shelf.manifest(asked.get("learngene"))
        space = manifest.space
        size = [
            int(asked.get(key) or own)
            for key, own in (("depth", manifest.geometry.depth), ("width", space.width.first))
        ]
        return size_facts(space, space.nearest(*size))
    except (LearngenesError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}

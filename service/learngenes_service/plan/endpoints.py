"""POST /v1/plan."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import JSONResponse

from learngenes.budget.ranking import Ranking, plan
from learngenes.errors import InvalidValue, UnknownName
from learngenes.gene import Manifest
from learngenes.ready import with_fitted
from learngenes.zoo import METHODS
from learngenes_service.descendants.document import describe
from learngenes_service.initialize.reading import named, read
from learngenes_service.initialize.schemas import InitializeBody
from learngenes_service.plan.schemas import ONLY_BUDGET, ONLY_SIZE, BudgetBody
from learngenes_service.problems import Refusal, documented, validation_problem
from learngenes_service.state import Shelf, TheShelf

router = APIRouter(prefix="/v1", tags=["plan"])

_SCHEMAS = [InitializeBody.model_json_schema(), BudgetBody.model_json_schema()]
_OPENAPI = {"requestBody": {"content": {"application/json": {"schema": {"anyOf": _SCHEMAS}}}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "of a size its descendant document; of a budget `candidates`, best first, and `exclusions`"}
}


@router.post("/plan", responses=_ANSWERS | documented(404, 409, 413, 422), openapi_extra=_OPENAPI)
async def post_plan(request: Request, shelf: TheShelf) -> JSONResponse:
    """What a size would be, or which sizes fit a budget; nothing is built.

    With the fields of POST /initialize: the document of that descendant; its sha256 is null while nobody has read it
    whole. With a limit (`max_params`, `max_macs`, `max_bytes`, `max_latency_ms`): every learngene and size within it,
    ranked by measured quality, interpolated values marked, and for what is left out the reason.
    """
    raw = await request.body()
    if given := _fields(raw) & ONLY_BUDGET:
        if both := _fields(raw) & ONLY_SIZE:
            raise InvalidValue(
                f"{min(both)!r} names a descendant and {min(given)!r} is of a budget, which finds one: say one of them"
            )
        ranking = await _ranked(raw, shelf)
        return JSONResponse(await asyncio.to_thread(asdict, ranking))
    descendant = await shelf.initialize(*await read(raw, shelf, also=ONLY_BUDGET))
    sha256 = await asyncio.to_thread(shelf.known_sha256, descendant.file.id)
    return JSONResponse(await describe(descendant, base_url=str(request.base_url).rstrip("/"), sha256=sha256))


def _fields(raw: bytes) -> set[str]:
    """Names of the fields of a JSON object; none if it is no such thing, which is found out later."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return set()
    return set(body) if isinstance(body, dict) else set()


async def _ranked(raw: bytes, shelf: Shelf) -> Ranking:
    try:
        body = BudgetBody.model_validate_json(raw)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        raise Refusal(validation_problem(faults, known=tuple(BudgetBody.model_fields))) from None
    if body.method not in (None, *METHODS):
        raise UnknownName("method", body.method, METHODS)
    only = None if body.learngene is None else await named(body.learngene, body.method, shelf)
    return await asyncio.to_thread(_rank, body, only, shelf)


def _rank(body: BudgetBody, only: Manifest | None, shelf: Shelf) -> Ranking:
    catalog = shelf.catalog
    manifests = catalog.offered() if only is None else with_fitted(catalog, only)
    return plan(
        [manifest for manifest in manifests if body.method in (None, manifest.method)],
        body.to_budget(),
        dataset=body.dataset,
        epochs_after=body.epochs_after,
        dtype=body.dtype,
        limit=body.limit,
        fitted=catalog.fitted,
    )

"""For those who run the service: is it alive, is it ready, what are its numbers."""

from __future__ import annotations

import itertools
from typing import Any, cast

from fastapi import APIRouter, Depends, Request
from prometheus_client import CONTENT_TYPE_LATEST
from redis import Redis, RedisError
from starlette.responses import JSONResponse, Response

from learngenes.errors import LearngenesError
from learngenes_service.access.callers import needs
from learngenes_service.problems import ProblemResponse, documented
from learngenes_service.state import Library
from learngenes_service.telemetry.metrics import Metrics

router = APIRouter(tags=["operations"])

_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Alive; touches nothing."""
    return {"status": "ok"}


@router.get("/readyz", responses=documented(503))
def readyz(request: Request) -> Response:
    """Ready: the default learngene is there and every byte of it as promised. Store and Redis are looked at and named.

    Without Redis nothing is learned, but everything that is there is served: that is ready.
    """
    library: Library = request.app.state.library
    store, redis = _store(library), _redis(request.app.state.redis)
    try:
        manifest = library.memory.catalog.get(library.default)
        library.memory.catalog.open(manifest)
    except (LearngenesError, OSError) as error:
        return ProblemResponse(
            503, "not-ready", f"the default learngene can't be served: {error}", store=store, redis=redis
        )
    return JSONResponse({"status": "ready", "learngene": manifest.reference, "store": store, "redis": redis})


@router.get(
    "/metrics", dependencies=[Depends(needs("read"))], responses=_TEXT | documented(401), response_class=Response
)
def metrics(request: Request) -> Response:
    """Numbers for Prometheus: requests, bytes, time to the first byte, recipes, the queue, failures of the store."""
    counted = cast("Metrics", request.app.state.metrics)
    return Response(counted.text(), media_type=CONTENT_TYPE_LATEST)


def _store(library: Library) -> str:
    try:
        list(itertools.islice(library.memory.catalog.store.keys("learngenes"), 1))
    except (LearngenesError, OSError):
        return "unreachable"
    return "ok"


def _redis(redis: Redis | None) -> str:
    if redis is None:
        return "none"
    try:
        redis.ping()
    except (RedisError, OSError):
        return "unreachable"
    return "ok"

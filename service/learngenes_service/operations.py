"""For those who run the service: is it alive, is it ready, what are its numbers."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, cast

from fastapi import APIRouter, Depends, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, Response

from learngenes.errors import LearngenesError
from learngenes_service.access.callers import needs
from learngenes_service.jobs.sight import Jobs
from learngenes_service.problems import ProblemResponse, documented
from learngenes_service.state import Library
from learngenes_service.telemetry.metrics import Metrics

REDIS_SECONDS = 1.0
"""Whoever asks whether the service is ready does not wait longer for Redis."""

router = APIRouter(tags=["operations"])

_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Alive; touches nothing."""
    return {"status": "ok"}


@router.get("/readyz", responses=documented(503))
async def readyz(request: Request) -> Response:
    """Ready: the default learngene is there and every byte of it as promised. Store and Redis are looked at and named.

    Without Redis nothing is learned, but everything that is there is served: that is ready. So is a service whose
    default learngene was taken back, which is said: other learngenes are served as before.
    """
    library: Library = request.app.state.shelves
    (store, default), redis = await asyncio.gather(
        asyncio.to_thread(_store, library), _redis(request.app.state.jobs, seconds=REDIS_SECONDS)
    )
    if isinstance(default, Exception):
        detail = f"the default learngene can't be served: {default}"
        return ProblemResponse(503, "not-ready", detail, store=store, redis=redis)
    return JSONResponse({"status": "ready", "store": store, "redis": redis} | default)


@router.get(
    "/metrics", dependencies=[Depends(needs("read"))], responses=_TEXT | documented(401), response_class=Response
)
def metrics(request: Request) -> Response:
    """Numbers for Prometheus: requests, bytes, time to the first byte, recipes, the queue, failures of the store."""
    counted = cast("Metrics", request.app.state.metrics)
    return Response(counted.text(), media_type=CONTENT_TYPE_LATEST)


def _store(library: Library) -> tuple[str, dict[str, str] | Exception]:
    """How the store is, and the default learngene, or why it can't be served."""
    catalog, store = library.memory.catalog, "ok"
    try:
        list(itertools.islice(catalog.store.keys("learngenes"), 1))
    except (LearngenesError, OSError):
        store = "unreachable"
    try:
        manifest = catalog.get(library.default, yanked=True)
        catalog.open(manifest)
        yank = catalog.yanks.get(manifest.reference)
    except (LearngenesError, OSError) as error:
        return store, error
    facts = {"learngene": manifest.reference}
    return store, facts if yank is None else facts | {"yanked": yank.reason}


async def _redis(jobs: Jobs | None, *, seconds: float) -> str:
    """How Redis is; looking up the name of its host obeys no timeout of the client."""
    if jobs is None:
        return "none"
    try:
        there = await asyncio.wait_for(asyncio.to_thread(lambda: jobs.link.pulse.beats()), seconds)
    except TimeoutError:
        there = False
    return "ok" if there else "unreachable"

"""The application: settings in, FastAPI app out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response

import learngenes
from learngenes.catalog import Catalog, starter
from learngenes.errors import LearngenesError
from learngenes.store.local import LocalStore
from learngenes_service import problems
from learngenes_service.descendants.endpoints import router as descendants
from learngenes_service.initialize.endpoints import router as initialize
from learngenes_service.learngenes.endpoints import router as learngenes_router
from learngenes_service.plan.endpoints import router as plan
from learngenes_service.problems import ProblemResponse
from learngenes_service.settings import Settings
from learngenes_service.state import Shelf, TheShelf

MAX_BODY_BYTES = 1 << 20
"""Room for the names of some 50,000 classes."""

log = logging.getLogger("learngenes.service")


def create_app(settings: Settings) -> FastAPI:
    """The service over the settings' store, with the starter learngene in it."""
    catalog = Catalog(LocalStore(settings.store), variants=settings.data / "variants")
    shelf = Shelf(catalog, default=settings.default)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(_add_starter, catalog)
        yield

    app = FastAPI(
        title="Learngene Zoo",
        version=learngenes.__version__,
        description="Name a size; get a Vision Transformer checkpoint that already knows something.",
        lifespan=lifespan,
        max_body_size=MAX_BODY_BYTES,
    )
    app.state.shelf = shelf
    problems.install(app)
    for router in (initialize, descendants, plan, learngenes_router):
        app.include_router(router)

    @app.get("/healthz", tags=["operations"])
    async def healthz() -> dict[str, str]:
        """Alive; touches nothing."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["operations"], responses=problems.documented(503))
    def readyz(shelf: TheShelf) -> Response:
        """Ready: the default learngene is there and every byte of it as promised."""
        try:
            manifest = shelf.catalog.get(shelf.default)
            shelf.catalog.open(manifest)
        except (LearngenesError, OSError) as error:
            return ProblemResponse(503, "not-ready", f"the default learngene can't be served: {error}")
        return JSONResponse({"status": "ready", "learngene": manifest.reference})

    return app


def _add_starter(catalog: Catalog) -> None:
    """Put the starter into the store; a store that can't be written to serves what it has."""
    try:
        for reference in catalog.copy_from(starter()):
            log.warning("the store has another %s than this library ships: it is left as it is", reference)
    except OSError as error:
        log.warning("the starter learngene can't be added to the store: %s", error)

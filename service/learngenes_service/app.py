"""The application: settings in, FastAPI app out."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from starlette.types import ASGIApp

import learngenes
from learngenes.catalog import Catalog, starter
from learngenes.store import is_directory
from learngenes.store.opened import open_store
from learngenes_service import operations, problems
from learngenes_service.access.callers import Access, needs
from learngenes_service.access.keys import FRESH_SECONDS, Keys
from learngenes_service.access.private import Marks, PublicCatalog
from learngenes_service.declared_size import DeclaredSize
from learngenes_service.descendants.endpoints import router as descendants
from learngenes_service.hub import routes as hub
from learngenes_service.hub.calls import Hub
from learngenes_service.initialize.endpoints import router as initialize
from learngenes_service.jobs.endpoints import router as jobs_router
from learngenes_service.jobs.opening import open_jobs, reconciled
from learngenes_service.learngenes.endpoints import router as learngenes_router
from learngenes_service.learngenes.files import router as learngene_files
from learngenes_service.memory import Memory
from learngenes_service.page import endpoints as page
from learngenes_service.page import job_pages, reference
from learngenes_service.plan.endpoints import router as plan
from learngenes_service.publishing.endpoints import blobs
from learngenes_service.publishing.endpoints import router as publishing
from learngenes_service.publishing.opening import body_limits, open_publications, swept
from learngenes_service.publishing.versions import router as versions
from learngenes_service.settings import Settings
from learngenes_service.state import Library
from learngenes_service.telemetry.metrics import Metrics
from learngenes_service.telemetry.requests import Telemetry
from learngenes_service.telemetry.stores import CountedStore

log = logging.getLogger("learngenes.service")


class Service(FastAPI):
    """A FastAPI app with telemetry around all of it, its own last resort for errors included."""

    def build_middleware_stack(self) -> ASGIApp:
        """See FastAPI."""
        sized = DeclaredSize(super().build_middleware_stack(), self.max_body_size or 0, limits=self.state.limits)
        return Telemetry(sized, self.state.metrics)


def create_app(settings: Settings) -> FastAPI:
    """The service over the settings' store, with the starter learngenes in it unless the settings say otherwise."""
    metrics = Metrics()
    store = open_store(settings.store, cache=settings.data / "cache", cache_bytes=settings.cache_bytes)
    # A file that left the cache takes its disk until it is closed: no more may be open than the cache holds.
    open_bytes = math.inf if is_directory(settings.store) else settings.cache_bytes
    catalog = Catalog(
        CountedStore(store, metrics),
        variants=settings.data / "variants",
        variants_bytes=settings.cache_bytes,
        open_bytes=open_bytes,
        fresh_seconds=FRESH_SECONDS,
    )
    marks = Marks(catalog)
    jobs = open_jobs(settings, catalog.store, marks=marks, metrics=metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if settings.starter:
            await asyncio.to_thread(_add_starter, catalog)
        async with reconciled(jobs, settings), swept(app.state.publications):
            yield

    app = Service(
        title="Learngene Zoo",
        version=learngenes.__version__,
        description="Name a size; get a Vision Transformer checkpoint that already knows something.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own pages ask other hosts for their script
        redoc_url=None,
        max_body_size=settings.body_bytes,
    )
    app.state.metrics = metrics
    app.state.shelves = Library(Memory(catalog, metrics), marks, PublicCatalog(catalog, marks), settings.default)
    app.state.access = Access(Keys(catalog.store), settings)
    app.state.jobs = jobs
    app.state.publications = open_publications(settings, catalog)
    app.state.limits = limits = body_limits(settings)
    problems.install(app)
    larger = {id(blobs): limits["/v1/blobs/"], id(publishing): limits["/v1/learngenes"]}
    own = (initialize, descendants, plan, learngenes_router, blobs, publishing, versions, learngene_files, jobs_router)
    for router in own:
        # Whatever else an endpoint asks for: who may not even read gets no further.
        readers = [Depends(needs("read"))]
        app.include_router(
            router,
            dependencies=readers,
            responses=problems.documented(401, 410, 422, 429, 503),
            max_body_size=larger.get(id(router)),
        )
    app.include_router(operations.router)
    for pages in (page.router, job_pages.router, page.static, reference.router):
        app.include_router(pages)
    app.mount(reference.FILES, reference.files())
    app.router.routes.extend(hub.routes(Hub()))  # the last: whatever else is here, it comes first
    return app


def _add_starter(catalog: Catalog) -> None:
    """Put the starter into the store; a store that can't be written to serves what it has."""
    try:
        for reference in catalog.copy_from(starter()):
            log.warning("the store has another %s than this library ships: it is left as it is", reference)
    except OSError as error:
        log.warning("the starter learngenes can't be added to the store: %s", error)

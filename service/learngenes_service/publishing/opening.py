"""Publishing of a service: opened with it, swept while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from learngenes.catalog import Catalog
from learngenes_service.publishing.publications import Publications
from learngenes_service.publishing.staging import Staging
from learngenes_service.settings import Settings

SWEEP_SECONDS = 3600.0
MANIFEST_BYTES = 4 << 20
"""A manifest speaks of every tensor, up to 10,000 of them."""

log = logging.getLogger("learngenes.service")


def open_publications(settings: Settings, catalog: Catalog) -> Publications:
    """What of this service publishes; nothing is written yet."""
    directory = settings.data / "uploads"
    each = max(settings.staged_bytes // 2, settings.upload_bytes)
    staging = Staging(catalog.store, directory, most_bytes=settings.staged_bytes, each_bytes=each)
    return Publications(catalog, staging, directory, settings.upload_bytes)


def body_limits(settings: Settings) -> dict[str, int]:
    """Bytes that a body may have where it begins so."""
    return {"/v1/blobs/": settings.upload_bytes, "/v1/learngenes": max(settings.body_bytes, MANIFEST_BYTES)}


@contextlib.asynccontextmanager
async def swept(publications: Publications) -> AsyncIterator[None]:
    """While this lasts, what was abandoned is forgotten in time."""

    async def sweep() -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await asyncio.to_thread(publications.staging.sweep)
            except OSError as error:
                log.warning("what was uploaded can't be swept now: %s", error)

    task = asyncio.create_task(sweep())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

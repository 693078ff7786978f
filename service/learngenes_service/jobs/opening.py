"""The jobs of a service: opened with it, kept in agreement with their records while it runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from learngenes.store import Store
from learngenes_service.access.private import Marks
from learngenes_service.jobs.board import Board
from learngenes_service.jobs.following import Following
from learngenes_service.jobs.link import Link
from learngenes_service.jobs.reconcile import keep_reconciled
from learngenes_service.jobs.records import Records
from learngenes_service.jobs.sight import Jobs
from learngenes_service.settings import Settings
from learngenes_service.telemetry.metrics import Metrics


def open_jobs(settings: Settings, store: Store, *, marks: Marks, metrics: Metrics) -> Jobs | None:
    """The jobs of a store, in the settings' queue; None if there is none. Nothing is connected yet."""
    if not settings.redis_url:
        return None
    records = Records(store)
    link = Link(settings.redis_url)
    board = Board(records, link)
    metrics.jobs(lambda: board.queue.census())
    return Jobs(board, Following(records, link), marks, link)


@contextlib.asynccontextmanager
async def reconciled(jobs: Jobs | None, settings: Settings) -> AsyncIterator[None]:
    """While this lasts, the queue is made to agree with the records."""
    if jobs is None:
        yield
        return
    task = asyncio.create_task(keep_reconciled(jobs.board, keep_seconds=settings.keep_jobs_days * 86400))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await jobs.following.close()

"""The queue made to agree with the records: at the start, every half minute, and soon after Redis was lost."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from learngenes.errors import LearngenesError
from learngenes_service.jobs import history, keys
from learngenes_service.jobs.board import Board, end_cancelled
from learngenes_service.jobs.down import QueueDown
from learngenes_service.jobs.job import RESUMABLE_SECONDS, Job

EVERY_SECONDS = 30.0
FORGET_SECONDS = 3600.0
ALONE_SECONDS = 60
AT_ONCE = 20
"""So many jobs are put back after one look that they are still missing."""

LOOK_SECONDS = 2.0
"""So often it is looked whether Redis came back, or came back empty, and whether a worker vanished."""

FIRST_SECONDS = 0.5
"""The first look comes so long after the start: what it imports would hold up the first answers."""

SURE_SECONDS = 2.0
"""A job is missing if it is after this too: between the queue and the worker it is nowhere for a moment."""

log = logging.getLogger("learngenes.service")


def reconcile(board: Board, *, wait: Callable[[float], None] = time.sleep) -> None:
    """Once: open jobs that Redis does not know are in the queue afterwards.

    Those that were to be cancelled and that nobody runs are ended. Replicas take turns. QueueDown if Redis can't be
    asked.
    """
    with board.queue.alone(seconds=ALONE_SECONDS) as mine:
        if not mine():
            return
        jobs = list(board.records.open())
        missing = board.queue.missing(jobs)
        for job in jobs:
            if job.cancelled and board.queue.withdraw(job):  # whoever cancelled it was cut
                end_cancelled(board, job, at=board.records.now())
        if missing:
            wait(SURE_SECONDS)
        for start in range(0, len(missing), AT_ONCE):
            if not mine():
                return
            for job in board.queue.missing(missing[start : start + AT_ONCE]):
                _put_back(board, job)
        board.queue.mark_filled()


def forget(board: Board, *, keep_seconds: float) -> None:
    """Drop what ended long ago."""
    for id in history.forget(board.records, ended_before=board.records.now() - keep_seconds):
        log.info("job %s is forgotten", id)
    history.drop_states(board.records, ended_before=board.records.now() - RESUMABLE_SECONDS)
    keys.forget(board.records)


async def keep_reconciled(board: Board, *, keep_seconds: float) -> None:
    """Until cancelled. What fails is tried again."""
    due, tidy, down = 0.0, 0.0, False
    await asyncio.sleep(FIRST_SECONDS)
    while True:
        try:
            queue = await asyncio.to_thread(lambda: board.queue)
            await asyncio.to_thread(queue.tidy)
            emptied = await asyncio.to_thread(queue.was_emptied)
            if emptied or down or time.monotonic() >= due:
                await asyncio.to_thread(reconcile, board)
                due = time.monotonic() + EVERY_SECONDS
            if time.monotonic() >= tidy:
                await asyncio.to_thread(forget, board, keep_seconds=keep_seconds)
                tidy = time.monotonic() + FORGET_SECONDS
            if down:
                log.warning("the queue can be asked again")
            down = False
        except QueueDown as error:
            if not down:
                log.warning("jobs wait: %s", error)
            down = True
        except Exception as error:  # a store that is away, a record that is none: never the end of looking
            known = isinstance(error, OSError | LearngenesError)
            log.warning("the records of jobs can't be read: %s", error, exc_info=not known)
            due = time.monotonic() + EVERY_SECONDS
        await asyncio.sleep(LOOK_SECONDS)


def _put_back(board: Board, job: Job) -> None:
    if job.cancelled:
        log.info("job %s is ended: it was to be cancelled, and nobody runs it", job.id)
        end_cancelled(board, job, at=board.records.now())
        return
    log.warning("job %s was not in the queue: it is put back", job.id)
    board.queue.restore(job)

"""What a worker does with a job of the queue, by whose name the service puts it there."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import structlog
from redis import Redis, RedisError
from rq import Retry, get_current_job

from learngenes import guard
from learngenes.store.opened import open_store
from learngenes_service.jobs import clients, places
from learngenes_service.jobs.job import Job
from learngenes_service.jobs.queue import ENDED_SECONDS
from learngenes_service.jobs.records import Records
from learngenes_service.settings import from_environment
from learngenes_service.worker.execution import Execution
from learngenes_service.worker.pump import Pump
from learngenes_service.worker.runs import locked, sweep

PATIENCE_SECONDS = 5.0
"""Somebody else who runs the job gets so long to be done with it."""

HANDED_BACK = 1_000
"""RQ hands out a job again so often without counting it as a crash; the records count for themselves."""

log = logging.getLogger("learngenes.worker")


def perform(id: str, ask: int) -> Retry | None:
    """Run a job to its end; a Retry if it is to be begun again. Doing again what has ended does nothing."""
    guard.die_with_parent()
    told: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        told.append(number)

    signal.signal(signal.SIGTERM, hear)
    settings = from_environment(os.environ)
    store = open_store(settings.store, cache=settings.data / "cache", cache_bytes=settings.cache_bytes)
    records = Records(store)
    job = _open(records, id, ask)
    if job is None:
        return None
    sweep(settings.runs, records)
    current = get_current_job()
    worker = (current.worker_name if current else None) or f"process {os.getpid()}"
    run = settings.runs / id
    with (
        structlog.contextvars.bound_contextvars(job_id=id),
        contextlib.closing(clients.once(settings.redis_url)) as redis,
    ):
        pump = Pump(job, run, redis, worker=worker)
        with _alone(run, pump) as lock:
            if lock is None:
                log.warning("job %s is run by somebody else just now: it is handed back", id)
                return Retry(max=HANDED_BACK)
            job = _open(records, id, ask)  # who had the lock before may have ended it
            if job is None:
                return None
            execution = Execution(
                job, settings=settings, store=store, pump=pump, worker=worker, told=lambda: bool(told), lock=lock
            )
            done = execution.perform()
        if done:
            _say_ended(redis, job=records.get(id), ticket=job.ticket)
            return None
    return Retry(max=HANDED_BACK, enqueue_at_front=True)


def _open(records: Records, id: str, ask: int) -> Job | None:
    """The job, if it has not ended since it was put into the queue."""
    job = records.get(id)
    if job is not None and job.ask.number == ask and job.end is None:
        return job
    log.info("job %s, asked for the %s. time, has ended already", id, ask)
    return None


@contextlib.contextmanager
def _alone(run: Path, pump: Pump) -> Iterator[int | None]:
    """The lock of a run directory that nobody else uses, here or on another machine; None if somebody does."""
    run.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + PATIENCE_SECONDS
    with (run / "lock").open("ab") as file:
        about = os.fstat(file.fileno())
        here = f"{socket.gethostname()} {about.st_dev} {about.st_ino}"
        while not (locked(file.fileno()) and pump.hold(at=here)):
            if time.monotonic() >= deadline:
                yield None
                return
            time.sleep(0.2)
        try:
            yield file.fileno()
        finally:
            pump.release()


def _say_ended(redis: Redis, *, job: Job | None, ticket: str) -> None:
    """Readers of the events learn at once that no more will come; without Redis they learn it from the record."""
    status = job.end.status if job is not None and job.end is not None else ""
    try:
        redis.xadd(places.events(ticket), {"end": status})
        for place in (places.events(ticket), places.progress(ticket), places.log(ticket)):
            redis.expire(place, ENDED_SECONDS)
    except RedisError:
        return

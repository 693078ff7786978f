"""The queue: RQ on Redis or Valkey, filled from the records. Jobs go in by name; nothing that learns is imported here.

Everything raises QueueDown where Redis can't be asked. The service imports this module through `link`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast
from uuid import uuid4

import rq
from redis import RedisError
from rq.exceptions import DuplicateJobError
from rq.registry import StartedJobRegistry
from rq.utils import utcparse

from learngenes_service.jobs import clients, places
from learngenes_service.jobs.down import QueueDown
from learngenes_service.jobs.events import STREAM_EVENTS
from learngenes_service.jobs.job import MOST_CRASHES, QUEUES, Job
from learngenes_service.jobs.standing import Standing

PERFORM = "learngenes_service.worker.perform.perform"
NAMES = tuple(dict.fromkeys(sorted(QUEUES.values(), key=("short", "long").index)))

ENDED_SECONDS = 600
"""RQ forgets what ended after this: the records tell of it."""

CLEANING_SECONDS = 30
"""The lock on cleaning goes after this, should who cleans die."""

_CANCELLED_SECONDS = 7 * 86400
_P = ParamSpec("_P")
_T = TypeVar("_T")


def _asking(function: Callable[_P, _T]) -> Callable[_P, _T]:
    @wraps(function)
    def ask(*arguments: _P.args, **options: _P.kwargs) -> _T:
        try:
            return function(*arguments, **options)
        except RedisError as error:
            raise QueueDown(f"the queue's Redis can't be asked: {error}") from error

    return ask


class Queue:
    """The queues of one Redis."""

    def __init__(self, url: str) -> None:
        self._redis = clients.brief(url)
        self._token = uuid4().hex

    @_asking
    def enqueue(self, job: Job) -> None:
        """Put it at the end of its queue, unless it is there or runs."""
        try:
            self._rq(job.queue).enqueue(
                PERFORM,
                kwargs={"id": job.id, "ask": job.ask.number},
                job_id=job.ticket,
                unique=True,
                job_timeout=-1,
                retry=rq.Retry(max=MOST_CRASHES),  # of vanished workers; the records count for themselves
                result_ttl=ENDED_SECONDS,
                failure_ttl=ENDED_SECONDS,
                description=f"{job.kind} {job.ticket}",
            )
        except DuplicateJobError:
            return

    @_asking
    def restore(self, job: Job) -> None:
        """Enqueue it, whatever is left of it: a late heartbeat leaves a stub that would pass for the job."""
        self._discard(job)
        self.enqueue(job)

    @_asking
    def missing(self, jobs: Collection[Job]) -> list[Job]:
        """Those that neither wait nor run."""
        known: set[str] = set()
        for name in NAMES:
            known |= {_text(ticket) for ticket in cast("list[bytes]", self._redis.lrange(f"rq:queue:{name}", 0, -1))}
            started = cast("list[bytes]", self._redis.zrange(f"rq:wip:{name}", 0, -1))
            known |= {_text(entry).partition(":")[0] for entry in started}
        return [job for job in jobs if job.ticket not in known and not self._redis.exists(places.run(job.id))]

    @_asking
    def withdraw(self, job: Job) -> bool:
        """Take it out of its queue; False if it did not wait there."""
        taken = bool(self._redis.lrem(f"rq:queue:{job.queue}", 0, job.ticket))
        if taken:
            self._discard(job)
        return taken

    @_asking
    def stop(self, job: Job) -> None:
        """Whoever runs it cancels it within a second or two."""
        self._redis.set(places.stop(job.ticket), "1", ex=_CANCELLED_SECONDS)

    @_asking
    def say_ended(self, job: Job, status: str) -> None:
        """Readers of its events learn that no more will come."""
        self._redis.xadd(places.events(job.ticket), {"end": status})
        self._redis.expire(places.events(job.ticket), ENDED_SECONDS)

    @_asking
    def standing(self, job: Job, *, listeners: int) -> Standing:
        """Where it stands. listeners: to its queue."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.lpos(f"rq:queue:{job.queue}", job.ticket)
            pipe.get(places.run(job.id))
            pipe.get(places.progress(job.ticket))
            position, run, progress = pipe.execute()
        holder = json.loads(run) if run else {}
        return Standing(
            position=position,
            worker=holder.get("worker") if holder.get("ticket") == job.ticket else None,
            progress=json.loads(progress) if progress else None,
            listeners=listeners,
        )

    @_asking
    def listeners(self, name: str) -> int:
        """Workers that live and listen to a queue."""
        keys = cast("set[bytes]", self._redis.smembers(f"rq:workers:{name}"))
        return self._redis.exists(*keys) if keys else 0

    @_asking
    def events(self, job: Job) -> list[tuple[str, dict[str, Any]]]:
        """What it has said so far, with ids."""
        rows = cast("list[tuple[bytes, dict[bytes, bytes]]]", self._redis.xrange(places.events(job.ticket)))
        return [
            (id.decode(), json.loads(fields[b"event"])) for id, fields in rows[-STREAM_EVENTS:] if b"event" in fields
        ]

    @_asking
    def log(self, job: Job) -> bytes:
        """The end of what its process has printed so far."""
        return cast("bytes | None", self._redis.get(places.log(job.ticket))) or b""

    @_asking
    def tidy(self) -> None:
        """Jobs whose workers vanished wait again; workers look after that only now and then, and busy ones never."""
        for name in NAMES:
            lock = self._rq(name).registry_cleaning_key  # RQ's own: done by two at once, a job would wait twice
            if self._redis.set(lock, "1", nx=True, ex=CLEANING_SECONDS):
                try:
                    StartedJobRegistry(name, connection=self._redis, serializer="json").cleanup()
                finally:
                    self._redis.delete(lock)

    @_asking
    def was_emptied(self) -> bool:
        """Whether Redis has lost all since `mark_filled`."""
        return not self._redis.exists(places.FILLED)

    @_asking
    def mark_filled(self) -> None:
        """All open jobs are in the queue."""
        self._redis.set(places.FILLED, "1")

    @contextmanager
    def alone(self, *, seconds: int) -> Iterator[Callable[[], bool]]:
        """Asked, whether this is the only one that reconciles, for so long from then on.

        What it could not give back, because Redis was away, is still its own: it goes on where it was.
        """
        token = self._token

        def mine() -> bool:
            if self._redis.set(places.RECONCILING, token, nx=True, ex=seconds):
                return True
            if self._redis.get(places.RECONCILING) != token.encode():
                return False
            return bool(self._redis.expire(places.RECONCILING, seconds))

        try:
            try:
                yield mine
            finally:
                if self._redis.get(places.RECONCILING) == token.encode():
                    self._redis.delete(places.RECONCILING)
        except RedisError as error:
            raise QueueDown(f"the queue's Redis can't be asked: {error}") from error

    @_asking
    def census(self) -> dict[str, Any]:
        """For metrics: waiting jobs by queue, running ones, live workers, seconds since the longest silent of them."""
        heard = []
        for key in self._redis.smembers("rq:workers"):
            at = self._redis.hget(_text(key), "last_heartbeat")
            if at is not None:
                heard.append(time.time() - utcparse(_text(at)).timestamp())
        return {
            "depth": {name: self._redis.llen(f"rq:queue:{name}") for name in NAMES},
            "running": sum(int(self._redis.zcard(f"rq:wip:{name}")) for name in NAMES),
            "workers": len(heard),
            "heartbeat_age": max(heard, default=None),
        }

    def _rq(self, name: str) -> rq.Queue:
        return rq.Queue(name, connection=self._redis, serializer="json")

    def _discard(self, job: Job) -> None:
        key = f"rq:job:{job.ticket}"
        self._redis.lrem(f"rq:queue:{job.queue}", 0, job.ticket)
        self._redis.delete(key, f"rq:results:{job.ticket}", f"rq:executions:{job.ticket}")
        self._redis.zrem(f"rq:failed:{job.queue}", job.ticket)


def _text(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else raw.decode("utf-8", "replace")

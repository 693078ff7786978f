"""Work done once for all who wait for it, a few at once; what nobody waits for any more loses its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from learngenes_service.hub.refusals import Refused

RETRY_SECONDS = 10
Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Job(Generic[Result]):
    """lasting: it is done even if nobody waits for it."""

    task: asyncio.Task[Result]
    lasting: bool
    waiting: int = 0
    begun: bool = False


class Shared(Generic[Key, Result]):
    """at_once: so much work is done at the same time; most: so much may be open, begun or not. For the event loop.

    breaks_off: whether work that has begun ends when it is cancelled; what goes on in a thread does not, and is let
    end.
    """

    def __init__(self, *, at_once: int, most: int, breaks_off: bool = False) -> None:
        self._room = asyncio.Semaphore(at_once)
        self._most = most
        self._breaks_off = breaks_off
        self._jobs: dict[Key, _Job[Result]] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, key: Key) -> bool:
        return key in self._jobs

    async def wait(self, key: Key, work: Callable[[], Awaitable[Result]]) -> Result:
        """What the work of this key gives; Refused if too much is open. Who is cancelled waits no more."""
        job = self._job(key, work, lasting=False)
        job.waiting += 1
        try:
            return await asyncio.shield(job.task)
        finally:
            job.waiting -= 1
            if not (job.waiting or job.lasting or (job.begun and not self._breaks_off)):
                job.task.cancel()
                self._forget(key, job)

    def start(self, key: Key, work: Callable[[], Awaitable[Result]]) -> None:
        """Have it done, whether somebody waits or not; Refused if too much is open."""
        self._job(key, work, lasting=True)

    def _job(self, key: Key, work: Callable[[], Awaitable[Result]], *, lasting: bool) -> _Job[Result]:
        if key in self._jobs:
            return self._jobs[key]
        if len(self._jobs) >= self._most:
            raise Refused(
                503,
                "Busy",
                f"{self._most} others wait for work of this kind; ask again in {RETRY_SECONDS} seconds",
                headers={"retry-after": str(RETRY_SECONDS)},
            )
        job = self._jobs[key] = _Job(asyncio.create_task(self._done(key, work)), lasting)
        job.task.add_done_callback(lambda _: self._over(key, job))
        return job

    async def _done(self, key: Key, work: Callable[[], Awaitable[Result]]) -> Result:
        async with self._room:
            self._jobs[key].begun = True
            return await work()

    def _over(self, key: Key, job: _Job[Result]) -> None:
        self._forget(key, job)
        if not job.task.cancelled():
            job.task.exception()  # nobody may be waiting any more

    def _forget(self, key: Key, job: _Job[Result]) -> None:
        if self._jobs.get(key) is job:
            del self._jobs[key]

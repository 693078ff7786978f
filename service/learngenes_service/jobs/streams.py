"""What running jobs say, read from Redis without a thread."""

from __future__ import annotations

import json
from typing import cast

from redis import RedisError

from learngenes_service.jobs import clients, places
from learngenes_service.jobs.down import QueueDown
from learngenes_service.jobs.events import Events
from learngenes_service.jobs.job import Job


class Streams:
    """The events of the jobs of one Redis, over few connections."""

    def __init__(self, url: str) -> None:
        self._client = clients.shared(url)

    async def read(self, job: Job, *, after: str, limit: int) -> tuple[Events, bool]:
        """Events after this id, and whether the stream says that the job has ended. QueueDown if it can't be read."""
        try:
            rows = await self._client.xrange(places.events(job.ticket), min=f"({after}", count=limit + 1)
        except (TimeoutError, RedisError, OSError) as error:
            raise QueueDown(f"events of job {job.id} can't be read from Redis: {error}") from error
        events: Events = []
        said = False
        for id, fields in cast("list[tuple[bytes, dict[bytes, bytes]]]", rows):
            if b"end" in fields:
                said = True
            elif len(events) < limit:
                events.append((id.decode(), json.loads(fields[b"event"])))
        return events, said

    async def close(self) -> None:
        """Its connections are not needed any more."""
        await self._client.aclose()

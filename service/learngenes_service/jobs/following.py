"""Reading the events of a job after an id: from Redis while it has them, then from what was kept at its end.

Following costs no thread and no connection of its own: each reader asks for what is new, now and then.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from bisect import bisect_right
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from learngenes.recent import Recent
from learngenes_service.jobs.document import error as error_of
from learngenes_service.jobs.document import status
from learngenes_service.jobs.down import QueueDown
from learngenes_service.jobs.events import Events, of_kept, order
from learngenes_service.jobs.job import Job
from learngenes_service.jobs.link import Link
from learngenes_service.jobs.records import Records

if TYPE_CHECKING:
    from learngenes_service.jobs.streams import Streams

EACH_SECONDS = 0.5
RECORD_SECONDS = 5.0
"""So often a silent job is looked up in the store, in case Redis could not tell of its end."""

HEARTBEAT_SECONDS = 15.0
PAGE_EVENTS = 500
KEPT_LISTS, KEPT_BYTES = 8, 16 << 20
"""Of ended jobs whose events were read last; many pages are asked of each."""

log = logging.getLogger("learngenes.service")


@dataclass(frozen=True, slots=True)
class Page:
    """Events with their ids. ended: none will come after them."""

    events: Events
    ended: bool


class Following:
    """What the readers of events share."""

    def __init__(self, records: Records, link: Link) -> None:
        self._records = records
        self._link = link
        self._streams: Streams | None = None
        self._recent: Recent[tuple[str, float], Events] = Recent(KEPT_LISTS, weight=KEPT_BYTES)
        self._stopped = False

    def stop(self) -> None:
        """End all streams, without an `end`: their readers come back to the next service, and go on."""
        self._stopped = True

    async def close(self) -> None:
        """Its connections are not needed any more."""
        if self._streams is not None:
            await self._streams.close()

    async def page(self, job: Job, *, after: str, inside: bool, limit: int = PAGE_EVENTS) -> Page:
        """The next events after an id. inside: see describe."""
        page = await self._page(job, after, limit)
        return page if inside else Page([(id, _without_worker(event)) for id, event in page.events], page.ended)

    async def _page(self, job: Job, after: str, limit: int) -> Page:
        events, said = await self._live(job, after, limit)
        if events or (job.end is None and not said):
            return Page(events, ended=said and len(events) < limit and job.end is not None)
        newest = job if job.end is not None else await asyncio.to_thread(self._records.get, job.id)
        if newest is None or newest.ticket != job.ticket:
            return Page([], ended=True)
        if newest.end is None:
            return Page([], ended=False)
        return await asyncio.to_thread(self._kept, newest, newest.end.time, after, limit)

    async def stream(self, job: Job, *, after: str, inside: bool) -> AsyncIterator[bytes]:
        """Server-sent events until the job has ended; the last is `end` and tells how."""
        looked = spoken = time.monotonic()
        while not self._stopped:
            page = await self.page(job, after=after, inside=inside)
            for id, event in page.events:
                after = id
                yield format_sse_event(data_str=json.dumps(event), event=str(event.get("event", "message")), id=id)
            now = time.monotonic()
            if page.events:
                spoken = now
            if page.ended:
                break
            if now - spoken >= HEARTBEAT_SECONDS:
                yield KEEPALIVE_COMMENT
                spoken = now
            if not page.events:
                if now - looked >= RECORD_SECONDS:
                    looked = now
                    newest = await asyncio.to_thread(self._records.get, job.id)
                    if newest is None or newest.ticket != job.ticket:
                        break
                    job = newest
                await asyncio.sleep(EACH_SECONDS)
        else:
            return
        newest = await asyncio.to_thread(self._records.get, job.id)
        end = {"status": status(newest, None), "error": error_of(newest.end, inside=inside)} if newest else {}
        yield format_sse_event(data_str=json.dumps(end), event="end", id=after)

    def _kept(self, job: Job, ended: float, after: str, limit: int) -> Page:
        events = self._recent.get((job.ticket, ended))
        if events is None:
            raw = self._records.kept(job, "events")
            events = of_kept(raw)
            self._recent.put((job.ticket, ended), events, weight=len(raw))
        first = bisect_right(events, order(after), key=lambda entry: order(entry[0]))
        return Page(events[first : first + limit], ended=len(events) <= first + limit)

    async def _live(self, job: Job, after: str, limit: int) -> tuple[Events, bool]:
        """What Redis has after this id, and whether it says that the job has ended."""
        if self._streams is None:
            self._streams = await asyncio.to_thread(lambda: self._link.streams)
        try:
            return await self._streams.read(job, after=after, limit=limit)
        except QueueDown as error:
            log.debug("%s", error)
            return [], False


def _without_worker(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "worker"}

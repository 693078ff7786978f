"""Jobs: asked for, followed, cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from learngenes_client import calls
from learngenes_client.calls import Answer
from learngenes_client.effects import Emit, Flow, Sleep, ask, chunk, opened, short
from learngenes_client.errors import BadAnswer, ClientError, Dropped, NetworkError, ServiceUnavailable
from learngenes_client.events import Decoder
from learngenes_client.flows.session import Session
from learngenes_client.jobs import Job
from learngenes_client.retries import LONGEST_ASKED_SECONDS

Events: TypeAlias = Flow[None]
"""A flow that emits events."""

TRIES = 8
"""So many connections in a row may bring no event and be over soon."""

LIFE_SECONDS = 5.0
"""A connection that brings signs of life for so long was a good one: a job may have nothing to say."""

REFUSAL_BYTES = 2**20
MOST_PAGES = 10_000

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0
"""Before the second try, doubled before each further one: a service that starts anew has a minute and a half."""

PAGE_JOBS = 100
LAST = "end"
"""The name of the last event."""


def submit(self: Session, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Flow[Job]:
    """Ask for a job, {"kind": ..., "spec": {...}}: the one that was there, or a new one.

    Its id follows from what it asks, so asking again is no second job, unless the first failed or was cancelled: then
    it is begun again. With an idempotency_key even that happens once a day. NeedsLearning.job is such a body. Forbidden
    without scope train.
    """
    self.need_network("a new job")
    return calls.read_job((yield from ask(calls.submit(body, idempotency_key=idempotency_key))))


def job(self: Session, id: str) -> Flow[Job]:
    """How a job is doing; JobNotFound if there is none."""
    self.need_network(f"job {id}")
    return calls.read_job((yield from ask(calls.job(id))))


def job_log(self: Session, id: str) -> Flow[str]:
    """The end of what a job's process printed; Unauthorized without a key that may read it."""
    self.need_network(f"the log of job {id}")
    return calls.read_log((yield from ask(calls.log(id))))


def jobs(
    self: Session, *, status: str | None = None, kind: str | None = None, limit: int = 20
) -> Flow[tuple[Job, ...]]:
    """Jobs, those asked for last first, `limit` at most. BadAnswer if its pages lead in a circle."""
    self.need_network("the list of jobs")
    found: list[Job] = []
    read: set[str] = set()
    call = calls.jobs(status=status, kind=kind, limit=min(limit, PAGE_JOBS)) if limit > 0 else None
    while call is not None and len(found) < limit:
        page = calls.read_jobs((yield from ask(call)))
        found += page.jobs
        if page.next is not None and (page.next in read or len(read) >= MOST_PAGES):
            raise BadAnswer(f"the pages of jobs lead in a circle: {page.next!r:.200} was read before")
        read.add(page.next or "")
        call = calls.next_jobs(page)
    return tuple(found[:limit])


def cancel(self: Session, id: str) -> Flow[Job]:
    """Cancel a job: one that waits at once, one that runs within seconds; JobEnded if it has ended."""
    self.need_network(f"job {id}")
    return calls.read_job((yield from ask(calls.cancel(id))))


def watch(self: Session, id: str, *, after: str | None = None) -> Events:
    """What a job says, as it says it: every `Event` from its first on, or from the one after the id `after`.

    The last is "end", with the job's status. A connection that is cut or falls silent is made again, and goes on after
    the last event that came: none is missed, none comes twice. JobNotFound if there is none; NetworkError if the
    service stays away.
    """
    self.need_network(f"job {id}")
    decoder = Decoder(after)
    failures = 0
    while True:
        trouble: ClientError = Dropped(f"the events of job {id} ended without an end")  # its service is being replaced
        began = self.clock()
        try:
            answer = yield from opened(calls.events(id, after=decoder.last_id))
            if answer.status != 200:
                raise calls.refusal(Answer(answer.status, answer.headers, (yield from short(REFUSAL_BYTES))))
            decoder.restart()
            while piece := (yield from chunk()):
                if self.clock() - began >= LIFE_SECONDS:
                    failures = 0
                for event in decoder.feed(piece):
                    failures = 0
                    yield Emit(event)
                    if event.name == LAST:
                        return
        except (NetworkError, ServiceUnavailable) as error:
            trouble = error
        failures += 1
        if failures >= TRIES:
            raise trouble
        asked_to_wait = trouble.retry_after if isinstance(trouble, ServiceUnavailable) else 0
        wait = min(FIRST_WAIT_SECONDS * 2 ** (failures - 1), LONGEST_WAIT_SECONDS)
        yield Sleep(max(wait, min(asked_to_wait, LONGEST_ASKED_SECONDS)))

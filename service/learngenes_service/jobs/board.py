"""What the service does with jobs: ask for them, show how they stand, cancel them. Blocking: call it in threads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from learngenes.spec import Spec
from learngenes_service.jobs import history
from learngenes_service.jobs.document import status as status_of
from learngenes_service.jobs.down import QueueDown
from learngenes_service.jobs.events import LOG_BYTES, to_keep
from learngenes_service.jobs.job import OPEN, End, Job, Status
from learngenes_service.jobs.link import Link
from learngenes_service.jobs.records import Records
from learngenes_service.jobs.standing import Standing

if TYPE_CHECKING:
    from learngenes_service.jobs.queue import Queue

EXAMINED = 200
"""Jobs that are looked at for one page, whether they are wanted or not."""

log = logging.getLogger("learngenes.service")


@dataclass(frozen=True, slots=True)
class Asked:
    """A job that was asked for. new: by this; waits: the queue can't be asked, it gets there once it can."""

    job: Job
    new: bool
    waits: bool = False


class Board:
    """The jobs of a store and the queue they wait in."""

    def __init__(self, records: Records, link: Link) -> None:
        self.records = records
        self._link = link

    @property
    def queue(self) -> Queue:
        """Where jobs wait; the first who asks waits for what it imports."""
        return self._link.queue

    def ask(self, wanted: Spec, *, by: str | None) -> Asked:
        """The job of this spec, queued if it was not there, or had failed or been cancelled."""
        job, new = self.records.ask(wanted, by=by)
        if job.end is not None:
            return Asked(job, new)
        if new:
            log.info("%s job %s is asked for", job.kind, job.id)
        try:
            if new or self.queue.missing([job]):
                self.queue.enqueue(job)
        except QueueDown as error:
            log.warning("job %s is recorded and waits for the queue: %s", job.id, error)
            return Asked(job, new, waits=True)
        return Asked(job, new)

    def standing(self, job: Job) -> Standing | None:
        """Where an open job stands; None if it has ended or the queue can't be asked."""
        return self._asker()(job)

    def cancel(self, job: Job, *, by: str | None) -> Job:
        """A job that waits is cancelled at once, one that runs as soon as its worker heard of it."""
        self.records.cancel(job, by=by)
        try:
            self.queue.stop(job)
            if self.queue.withdraw(job):
                end_cancelled(self, job, at=self.records.now())
        except QueueDown as error:
            log.warning("job %s will be cancelled once the queue can be asked: %s", job.id, error)
        return self.records.get(job.id) or job

    def page(
        self, wanted: Callable[[Job], bool], *, status: Status | None, before: str, limit: int
    ) -> tuple[list[tuple[Job, Standing | None]], str | None]:
        """At most so many wanted jobs, newest first, where they stand, and what `before` of the next page is.

        Of a page EXAMINED jobs are read at most, so it may have fewer rows though more follow; one of an open status
        reads open jobs alone.
        """
        entries = history.entries(self.records, before=before)
        if status in OPEN:
            marked = self.records.marked()
            entries = [entry for entry in entries if history.ticket(entry) in marked]
        standing, rows, last = self._asker(), list[tuple[Job, Standing | None]](), None
        for number, entry in enumerate(entries):
            if len(rows) == limit or number == EXAMINED:
                return rows, last
            last = entry
            job = history.newest(self.records, entry)
            if job is not None and wanted(job):
                stands = standing(job)
                if status in (None, status_of(job, stands)):
                    rows.append((job, stands))
        return rows, None

    def log_tail(self, job: Job, *, most_bytes: int) -> bytes:
        """The end of what the job's process printed."""
        if job.end is not None:
            return self.records.kept(job, "log")[-most_bytes:]
        try:
            return self.queue.log(job)[-most_bytes:]
        except QueueDown:
            return b""

    def _asker(self) -> Callable[[Job], Standing | None]:
        """Tells where jobs stand: listeners are counted once, and a queue that does not answer is not asked again."""
        listeners, down = dict[str, int](), False

        def standing(job: Job) -> Standing | None:
            nonlocal down
            if job.end is not None or down:
                return None
            try:
                if job.queue not in listeners:
                    listeners[job.queue] = self.queue.listeners(job.queue)
                return self.queue.standing(job, listeners=listeners[job.queue])
            except QueueDown as error:
                log.warning("where job %s stands is not known: %s", job.id, error)
                down = True
                return None

        return standing


def end_cancelled(board: Board, job: Job, *, at: float) -> None:
    """End a job that nobody runs as cancelled: what it said while it ran is kept, what it would go on from is not."""
    events, printed = to_keep(board.queue.events(job)), board.queue.log(job)[-LOG_BYTES:]
    history.drop_state(board.records, job.id)  # before the end, after which it may be asked for again
    board.records.end(job, End("cancelled", at), events=events, log=printed)
    board.queue.say_ended(job, "cancelled")

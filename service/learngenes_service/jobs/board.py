"""What the service does with jobs: ask for them, show how they stand, cancel them. Blocking: call it in threads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from learngenes.spec import Spec
from learngenes_service.jobs.down import QueueDown
from learngenes_service.jobs.history import by_time
from learngenes_service.jobs.job import End, Job
from learngenes_service.jobs.queue import Queue, Standing
from learngenes_service.jobs.records import Records

log = logging.getLogger("learngenes.service")


@dataclass(frozen=True, slots=True)
class Asked:
    """A job that was asked for. new: by this; waits: the queue can't be asked, it gets there once it can."""

    job: Job
    new: bool
    waits: bool = False


class Board:
    """The jobs of a store and the queue they wait in."""

    def __init__(self, records: Records, queue: Queue) -> None:
        self.records = records
        self.queue = queue

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
        if job.end is not None:
            return None
        try:
            return self.queue.standing(job)
        except QueueDown as error:
            log.warning("where job %s stands is not known: %s", job.id, error)
            return None

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

    def page(self, wanted: Callable[[Job], bool], *, before: str, limit: int) -> tuple[list[Job], str | None]:
        """So many wanted jobs, newest first, and what `before` of the next page is."""
        found: Iterator[tuple[str, Job]] = (
            (entry, job) for entry, job in by_time(self.records, before=before) if wanted(job)
        )
        rows = list(islice(found, limit + 1))
        return [job for _, job in rows[:limit]], rows[limit - 1][0] if len(rows) > limit else None

    def log_tail(self, job: Job, *, most_bytes: int) -> bytes:
        """The end of what the job's process printed."""
        if job.end is not None:
            return self.records.kept(job, "log")[-most_bytes:]
        try:
            return self.queue.log(job)[-most_bytes:]
        except QueueDown:
            return b""


def end_cancelled(board: Board, job: Job, *, at: float) -> None:
    """End a job that nobody runs as cancelled."""
    board.records.end(job, End("cancelled", at))
    board.queue.say_ended(job, "cancelled")

"""The records of jobs in the store: the truth that a lost Redis is filled from.

jobs/records/<id>/spec.json               {"kind", "spec"}, every default written
jobs/records/<id>/ask-<n>.json            who asked and when; a job that failed or was cancelled can be asked again
jobs/records/<id>/start-<n>-<k>.json      attempt k of ask n was begun, by which worker
jobs/records/<id>/stop-<n>-<k>.json       and came to a stop before its end: handed back, or crashed
jobs/records/<id>/cancel-<n>.json         it is to be cancelled
jobs/records/<id>/end-<n>.json            how it ended, written last
jobs/kept/<id>/events-<n>.jsonl, log-<n>.txt   what it said, kept at the end
jobs/open/<id>-<n>.json                   a mark: made before the ask, deleted after the end
jobs/times/<UTC stamp>-<id>-<n>           every ask by time

Keys are only ever created and deleted, so several may write. A mark without its ask is an ask that was cut: whoever
finds it writes what is missing, as the asker would have. A mark beside an end is one whose deletion was cut.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from learngenes import spec
from learngenes.errors import BlobExists, BlobNotFound
from learngenes.spec import Spec
from learngenes.store import Store
from learngenes_service.jobs.job import Ask, Attempt, End, Job

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_RECORD = re.compile(r"(ask|start|stop|cancel|end)-([0-9]+)(?:-([0-9]+))?\.json", re.ASCII)
TICKET = re.compile(r"([0-9a-f]{32})-([0-9]{1,9})", re.ASCII)
"""An ask of a job, see Job.ticket."""

_Names = dict[tuple[str, int, int], str]


class Records:
    """The jobs of a store."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self.store = store
        self._clock = clock

    def now(self) -> float:
        """Seconds since 1970."""
        return self._clock()

    def get(self, id: str) -> Job | None:
        """The job as it stands; None if nobody ever asked for it."""
        if not is_id(id):
            return None
        names = self._names(id)
        number = max((n for what, n, _ in names if what == "ask"), default=0)
        if not number:
            return None
        try:
            return self._job(id, number, names)
        except BlobNotFound:  # forgotten meanwhile
            return None

    def ask(self, wanted: Spec, *, by: str | None) -> tuple[Job, bool]:
        """The job of this spec, and whether this asked for it: one that is open or finished stays as it is."""
        id = spec.identify(wanted)
        known = self.get(id)
        if known is not None and not known.can_be_asked_again:
            return known, False
        number = 1 + max((n for what, n, _ in self._names(id) if what in ("ask", "end")), default=0)
        while True:
            with contextlib.suppress(BlobExists):
                self.store.create(f"jobs/records/{id}/spec.json", [spec.to_json(wanted)])
            with contextlib.suppress(BlobExists):
                self._write(f"jobs/open/{id}-{number}.json", {"time": round(self._clock(), 6), "by": by})
            self._finish_asking(id, number)
            job = self.get(id)
            if job is not None:  # its spec may just have been forgotten, with an ask of long ago
                return job, True

    def open(self) -> Iterator[Job]:
        """Jobs that have not ended, oldest first; what was cut short at asking or at ending is completed."""
        jobs = []
        for key in list(self.store.keys("jobs/open")):
            found = TICKET.fullmatch(key.rsplit("/", 1)[1].removesuffix(".json"))
            if found and (job := self._settled(found[1], int(found[2]))):
                jobs.append(job)
        yield from sorted(jobs, key=lambda job: job.ask.time)

    def marked(self) -> frozenset[str]:
        """Tickets of the jobs that have not ended, as their marks tell; it reads none of them."""
        return frozenset(key.rsplit("/", 1)[1].removesuffix(".json") for key in self.store.keys("jobs/open"))

    def asked_after(self, id: str, number: int) -> bool:
        """Whether it was asked for, or is being asked for, after the ask of this number."""
        asks = [n for what, n, _ in self._names(id) if what == "ask"]
        marks = [found for ticket in self.marked() if (found := TICKET.fullmatch(ticket)) and found[1] == id]
        return any(n > number for n in asks) or any(int(found[2]) > number for found in marks)

    def start(self, job: Job, *, worker: str) -> Attempt:
        """Attempt number k begins."""
        number = len(job.attempts)
        while True:
            number += 1
            now = round(self._clock(), 3)
            try:
                self._write(self._of(job, "start", number), {"time": now, "worker": worker})
            except BlobExists:
                continue
            return Attempt(number, now, worker)

    def stop(self, job: Job, attempt: Attempt, *, handed_back: bool, seconds: float) -> None:
        """An attempt came to a stop that is not the job's end."""
        content = {"handed_back": handed_back, "seconds": round(seconds, 1)}
        with contextlib.suppress(BlobExists):
            self._write(self._of(job, "stop", attempt.number), content)

    def cancel(self, job: Job, *, by: str | None) -> None:
        """It is to be cancelled; the same again changes nothing."""
        with contextlib.suppress(BlobExists):
            self._write(self._of(job, "cancel"), {"time": round(self._clock(), 3), "by": by})

    def end(self, job: Job, end: End, *, events: bytes = b"", log: bytes = b"") -> None:
        """It has ended: what it said is kept, then the end, then the mark goes. The first end stays."""
        if self._exists(self._of(job, "end")):
            self._unmark(job)
            return
        for name, content in (("events", events), ("log", log)):
            if content:
                self._replace(_kept(job, name), content)
        with contextlib.suppress(BlobExists):
            self._write(self._of(job, "end"), asdict(end))
        self._unmark(job)

    def kept(self, job: Job, what: str) -> bytes:
        """The `events` or the `log` that were kept at its end; empty if there are none."""
        try:
            return self.store.read(_kept(job, what))
        except BlobNotFound:
            return b""

    def _settled(self, id: str, number: int) -> Job | None:
        names = self._names(id)
        if ("end", number, 0) in names:
            self._delete(f"jobs/open/{id}-{number}.json")
            return None
        if ("ask", number, 0) not in names:
            if not self._exists(f"jobs/records/{id}/spec.json"):
                self._delete(f"jobs/open/{id}-{number}.json")
                return None
            self._finish_asking(id, number)
        job = self.get(id)
        if job is None and not self._exists(f"jobs/records/{id}/spec.json"):  # forgotten while it was asked for
            self._delete(f"jobs/open/{id}-{number}.json")
        return job

    def _finish_asking(self, id: str, number: int) -> None:
        try:
            mark = self._read(f"jobs/open/{id}-{number}.json")
        except BlobNotFound:  # it was completed and has ended meanwhile
            return
        with contextlib.suppress(BlobExists):
            self.store.create(f"jobs/times/{stamp(mark['time'])}-{id}-{number}", [b"{}"])
        with contextlib.suppress(BlobExists):
            self._write(f"jobs/records/{id}/ask-{number}.json", mark)

    def _job(self, id: str, number: int, names: _Names) -> Job:
        document, ask = self._read(f"jobs/records/{id}/spec.json"), self._read(names["ask", number, 0])
        attempts = []
        for k in sorted(k for what, n, k in names if (what, n) == ("start", number)):
            stop = self._read(names["stop", number, k]) if ("stop", number, k) in names else {}
            attempts.append(Attempt(k, **self._read(names["start", number, k]), **stop))
        ended = self._read(names["end", number, 0]) if ("end", number, 0) in names else None
        if ended is not None:
            ended["published"] = tuple(ended["published"])
        return Job(
            id,
            kind=document["kind"],
            spec=document["spec"],
            ask=Ask(number, ask["time"], ask["by"]),
            attempts=tuple(attempts),
            cancelled=("cancel", number, 0) in names,
            end=None if ended is None else End(**ended),
        )

    def _names(self, id: str) -> _Names:
        """Keys of a job's records by what they are, the ask and the attempt they are of."""
        names: _Names = {}
        for key in self.store.keys(f"jobs/records/{id}"):
            if found := _RECORD.fullmatch(key.rsplit("/", 1)[1]):
                names[found[1], int(found[2]), int(found[3] or 0)] = key
        return names

    def _of(self, job: Job, what: str, attempt: int | None = None) -> str:
        suffix = "" if attempt is None else f"-{attempt}"
        return f"jobs/records/{job.id}/{what}-{job.ask.number}{suffix}.json"

    def _unmark(self, job: Job) -> None:
        self._delete(f"jobs/open/{job.ticket}.json")

    def _read(self, key: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.store.read(key))
        return content

    def _write(self, key: str, content: dict[str, Any]) -> None:
        self.store.create(key, [json.dumps(content, sort_keys=True).encode()])

    def _replace(self, key: str, content: bytes) -> None:
        """What an attempt left that was cut while it ended is written anew: no end tells of it yet."""
        self._delete(key)
        with contextlib.suppress(BlobExists):
            self.store.create(key, [content])

    def _exists(self, key: str) -> bool:
        try:
            self.store.read(key)
        except BlobNotFound:
            return False
        return True

    def _delete(self, key: str) -> None:
        with contextlib.suppress(BlobNotFound):
            self.store.delete(key)


def is_id(text: str) -> bool:
    """Whether this could name a job."""
    return _ID.fullmatch(text) is not None


def stamp(seconds: float) -> str:
    """A time as the key of a record: UTC to the microsecond, in the order of time."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dt%H%M%S%f}z"


def _kept(job: Job, what: str) -> str:
    suffix = {"events": "jsonl", "log": "txt"}[what]
    return f"jobs/kept/{job.id}/{what}-{job.ask.number}.{suffix}"

"""Jobs by the time they were asked for: listed, and in the end forgotten."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from learngenes.errors import BlobNotFound
from learngenes.store import Store
from learngenes_service.jobs.job import Job
from learngenes_service.jobs.records import TICKET, Records, stamp


def by_time(records: Records, *, before: str = "") -> Iterator[tuple[str, Job]]:
    """Jobs by their newest ask, the newest first, each with the entry that `before` goes on from."""
    for key in reversed(list(records.store.keys("jobs/times"))):
        entry = key.rsplit("/", 1)[1]
        found = TICKET.fullmatch(entry.partition("-")[2])
        if found and (not before or entry < before):
            job = records.get(found[1])
            if job is not None and job.ask.number == int(found[2]):
                yield entry, job


def forget(records: Records, *, asked_before: float) -> list[str]:
    """Forget ended jobs that were last asked for before that time; their ids."""
    limit, gone = stamp(asked_before), []
    for key in list(records.store.keys("jobs/times")):
        asked, _, ticket = key.rsplit("/", 1)[1].partition("-")
        found = TICKET.fullmatch(ticket)
        if asked >= limit or not found:
            break
        job = records.get(found[1])
        newest = job is None or job.ask.number == int(found[2])
        if newest and job is not None and job.end is None:
            continue
        if newest:
            _forget(records.store, found[1])
            gone.append(found[1])
        _delete(records.store, key)
    return gone


def _forget(store: Store, id: str) -> None:
    """Ends go last, so that what is half forgotten is never taken for open."""
    for folder in ("kept", "state"):
        for key in list(store.keys(f"jobs/{folder}/{id}")):
            _delete(store, key)
    for key in sorted(store.keys(f"jobs/records/{id}"), key=lambda key: "/end-" in key):
        _delete(store, key)


def _delete(store: Store, key: str) -> None:
    with contextlib.suppress(BlobNotFound):
        store.delete(key)

"""Jobs by the time they were asked for: listed, and in the end forgotten."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable

from learngenes.errors import BlobNotFound
from learngenes.store import Store
from learngenes_service.jobs.job import Job
from learngenes_service.jobs.records import TICKET, Records, is_id, stamp

_OF_ASK = re.compile(r"[a-z]+-([0-9]+)(?:-[0-9]+)?\.[a-z]+", re.ASCII)
"""Names of records and of what is kept, which end with the number of the ask."""


def entries(records: Records, *, before: str = "") -> list[str]:
    """All asks before an entry, the newest first. It takes a listing, but reads nothing."""
    names = (key.rsplit("/", 1)[1] for key in records.store.keys("jobs/times"))
    found = [name for name in names if TICKET.fullmatch(ticket(name)) and (not before or name < before)]
    return found[::-1]


def ticket(entry: str) -> str:
    """Of which ask an entry is."""
    return entry.partition("-")[2]


def newest(records: Records, entry: str) -> Job | None:
    """The job of an entry; None if it was asked for again since, or is forgotten."""
    id, _, number = ticket(entry).partition("-")
    job = records.get(id)
    return job if job is not None and job.ask.number == int(number) else None


def forget(records: Records, *, ended_before: float) -> list[str]:
    """Forget jobs that ended before that time; their ids."""
    limit, gone = stamp(ended_before), []
    for entry in reversed(entries(records)):
        if entry >= limit:  # what was asked for later ended later
            break
        id, _, number = ticket(entry).partition("-")
        job = records.get(id)
        if job is None or job.ask.number == int(number):
            if job is not None and (job.end is None or job.end.time >= ended_before):
                continue
            _forget(records, id, int(number))
            gone.append(id)
        _delete(records.store, [f"jobs/times/{entry}"])
    return gone


def drop_states(records: Records, *, ended_before: float) -> None:
    """Drop runs that are kept in the store though nobody goes on with them."""
    for id in dict.fromkeys(key.split("/")[2] for key in records.store.keys("jobs/state")):
        job = records.get(id) if is_id(id) else None
        if is_id(id) and (job is None or job.over(resumable_since=ended_before)):
            drop_state(records, id)


def drop_state(records: Records, id: str) -> None:
    """Drop the run of a job that is kept in the store; parts go last, so that no list of them misses one."""
    keys = list(records.store.keys(f"jobs/state/{id}"))
    _delete(records.store, sorted(keys, key=lambda key: "/parts/" in key))


def _forget(records: Records, id: str, number: int) -> None:
    """What belongs to this ask and those before it. It may be asked for again meanwhile: that ask stays.

    Ends go after all else, so that what is half forgotten is never taken for open, and the spec, of all asks, last.
    """
    store = records.store
    if not records.asked_after(id, number):
        drop_state(records, id)
    for folder in ("kept", "records"):
        keys = [key for key in store.keys(f"jobs/{folder}/{id}") if _ask(key) <= number]
        _delete(store, sorted(keys, key=lambda key: "/end-" in key))
    if not records.asked_after(id, number):
        _delete(store, [f"jobs/records/{id}/spec.json"])


def _ask(key: str) -> float:
    found = _OF_ASK.fullmatch(key.rsplit("/", 1)[1])
    return int(found[1]) if found else float("inf")


def _delete(store: Store, keys: Iterable[str]) -> None:
    for key in keys:
        with contextlib.suppress(BlobNotFound):
            store.delete(key)

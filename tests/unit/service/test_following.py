"""Streams of events: alive while nothing happens, and ended with the service."""

from __future__ import annotations

import asyncio

import pytest
from cases import jobs
from learngenes_service.jobs import following, history
from learngenes_service.jobs.following import Following
from learngenes_service.jobs.job import End
from learngenes_service.jobs.link import Link
from learngenes_service.jobs.records import Records

from learngenes import spec
from learngenes.store.memory import MemoryStore

NOBODY = "unix:///nowhere/redis.sock"


def read(records: Records, *, after: str = "0-0", stop_after: int, inside: bool = True) -> list[bytes]:
    """So many pieces of a stream of the only job, then the service stops."""

    async def pieces() -> list[bytes]:
        reader = Following(records, Link(NOBODY))
        job = history.newest(records, history.entries(records)[0])
        assert job is not None
        found = []
        async for piece in reader.stream(job, after=after, inside=inside):
            found.append(piece)
            if len(found) == stop_after:
                reader.stop()
        await reader.close()
        return found

    return asyncio.run(asyncio.wait_for(pieces(), 10))


@pytest.fixture
def records() -> Records:
    kept = Records(MemoryStore())
    kept.ask(spec.read("learn", jobs.learn()["spec"]), by=None)
    return kept


def test_a_silent_stream_says_now_and_then_that_it_lives(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(following, "EACH_SECONDS", 0.01)
    assert read(records, stop_after=3) == [b": ping\n\n"] * 3


def test_what_redis_lost_is_read_from_what_was_kept(records: Records) -> None:
    job = next(records.open())
    events = b'{"id": "5-0", "event": "step", "step": 1}\n{"id": "6-0", "event": "step", "step": 2}\n'
    records.end(job, End("failed", 7.0, error={"code": "crashed", "detail": "it did"}), events=events)
    whole = read(records, stop_after=99)
    assert [piece.splitlines()[-2] for piece in whole] == [b"id: 5-0", b"id: 6-0", b"id: 6-0"]
    assert b'event: end\ndata: {"status": "failed", "error": {"code": "crashed", "detail": "it did"}}' in whole[-1]
    assert read(records, after="5-0", stop_after=99) == whole[1:]


def test_strangers_learn_neither_the_worker_nor_what_the_process_printed(records: Records) -> None:
    job = next(records.open())
    events = b'{"id": "5-0", "event": "attempt", "attempt": 1, "worker": "host-17"}\n'
    detail = "its process ended\nThe end of its log:\n/home/ann/secret"
    records.end(job, End("failed", 7.0, error={"code": "crashed", "detail": detail}), events=events)
    said = [b"".join(read(records, stop_after=99, inside=inside)) for inside in (True, False)]
    for word in (b"host-17", b"/home/ann/secret"):
        assert [word in text for text in said] == [True, False]
    assert b'"detail": "its process ended"' in said[1]

"""Records of jobs: cut at any point they lose nothing, and doing it again succeeds."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest
from cases.faulty_store import cuts
from cases.job_records import asked, ended, listed, records, wanted
from learngenes_service.jobs import keys
from learngenes_service.jobs.job import MOST_CRASHES, Kind
from learngenes_service.jobs.records import Records
from learngenes_service.problems import Refusal

from learngenes import spec
from learngenes.store import Store
from learngenes.store.memory import MemoryStore


def test_a_job_is_as_it_was_asked_and_asking_again_changes_nothing() -> None:
    kept, job = asked()
    assert (job.id, job.kind, job.ask.number, job.ask.by) == (spec.identify(wanted()), "learn", 1, "ann")
    assert {"kind": job.kind, "spec": job.spec} == {"kind": "learn", "spec": spec.table(wanted())}
    assert kept.ask(wanted(), by="bob") == (job, False)
    assert list(kept.open()) == [job]
    assert kept.get("0" * 32) is None and kept.get("../x") is None


@pytest.mark.parametrize("again", [True, False])
def test_an_ask_that_is_cut_anywhere_is_completed_or_never_was(again: bool) -> None:
    points = 0
    for point, store in cuts(MemoryStore, lambda store: records(store).ask(wanted(), by="ann")):
        points += 1
        kept = records(store)
        if again:
            kept.ask(wanted(), by="bob")
        found = list(kept.open())
        assert [job.ask.number for job in found] == ([1] if again or found else []), point
        assert listed(kept) == found, point
        if found:
            assert kept.get(found[0].id) == found[0], point
            assert kept.ask(wanted(), by="cid") == (found[0], False), point
    assert points > 10


def test_an_end_that_is_cut_anywhere_is_completed_by_ending_again() -> None:
    def before() -> MemoryStore:
        store = MemoryStore()
        asked(store)
        return store

    def end(store: Store) -> None:
        kept = records(store)
        job = kept.get(spec.identify(wanted()))
        assert job is not None
        kept.end(job, ended(), events=b'{"id": "1-0"}\n', log=b"said")

    points = 0
    for point, store in cuts(before, end):
        points += 1
        end(store)
        kept = records(store)
        job = kept.get(spec.identify(wanted()))
        assert job is not None
        assert job.end == ended(), point
        assert list(kept.open()) == [], point
        assert list(store.keys("jobs/open")) == [], point
        assert (kept.kept(job, "events"), kept.kept(job, "log")) == (b'{"id": "1-0"}\n', b"said"), point
    assert points > 8


def test_a_mark_whose_job_has_ended_goes_with_the_next_look() -> None:
    kept, job = asked()
    kept.end(job, ended())
    kept.store.create(f"jobs/open/{job.ticket}.json", [b"{}"])
    assert list(kept.open()) == []
    assert list(kept.store.keys("jobs/open")) == []


def test_the_first_end_stays() -> None:
    kept, job = asked()
    kept.end(job, ended("cancelled"))
    kept.end(job, ended("finished"), log=b"late")
    after = kept.get(job.id)
    assert after is not None and after.end == ended("cancelled")
    assert kept.kept(job, "log") == b""


@pytest.mark.parametrize(("status", "again"), [("finished", False), ("failed", True), ("cancelled", True)])
def test_what_came_to_nothing_can_be_asked_again(status: str, again: bool) -> None:
    kept, job = asked()
    kept.cancel(job, by=None)
    kept.end(job, ended(status))
    second, new = kept.ask(wanted(), by="bob")
    assert (new, second.ask.number, second.end is None) == (again, 2 if again else 1, again)
    assert second.cancelled is not again
    assert listed(kept) == [second]


def test_attempts_are_counted_and_those_handed_back_are_no_crashes() -> None:
    kept, job = asked()
    for crash in (True, False, False):
        job = kept.get(job.id) or job
        attempt = kept.start(job, worker="w")
        if not crash:
            kept.stop(job, attempt, handed_back=True, seconds=2)
    job = kept.get(job.id) or job
    assert [attempt.number for attempt in job.attempts] == [1, 2, 3]
    assert (job.crashes, [attempt.seconds for attempt in job.attempts]) == (1, [None, 2.0, 2.0])
    assert MOST_CRASHES == 5
    assert set(get_args(Kind)) == set(spec.KINDS)


def test_of_many_that_ask_at_once_all_get_the_same_ask() -> None:
    store = MemoryStore()
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda n: records(store).ask(wanted(), by=str(n))[0], range(8)))
    assert len(set(map(repr, got))) == 1
    assert len(list(store.keys("jobs/times"))) == 1


def test_a_mark_without_a_spec_goes() -> None:
    kept, job = asked()
    kept.store.delete(f"jobs/records/{job.id}/spec.json")
    assert list(kept.open()) == []
    assert list(kept.store.keys("jobs/open")) == []


def test_a_key_is_good_for_one_body_for_a_day() -> None:
    kept = records()
    assert keys.claim(kept, "k", b"one", by=None) is None
    assert keys.claim(kept, "k", b"one", by=None) is not None
    assert keys.claim(kept, "k", b"two", by="ann") is None
    with pytest.raises(Refusal):
        keys.claim(kept, "k", b"two", by=None)
    later: Callable[[], float] = lambda: 1_700_100_000.0  # noqa: E731
    assert keys.claim(Records(kept.store, clock=later), "k", b"two", by=None) is None
    keys.forget(Records(kept.store, clock=lambda: 1_700_300_000.0))
    assert list(kept.store.keys("jobs/keys")) == []

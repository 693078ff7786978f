"""Jobs by their time: listed page by page, forgotten in the end, and asked for again meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from cases.faulty_store import FaultyStore, cuts
from cases.job_records import asked, ended, listed, records, wanted
from learngenes_service.jobs import board, history
from learngenes_service.jobs.board import Board
from learngenes_service.jobs.job import End
from learngenes_service.jobs.link import Link
from learngenes_service.jobs.records import Records

from learngenes import spec
from learngenes.store import Store
from learngenes.store.memory import MemoryStore


def test_jobs_come_newest_first_and_go_on_where_a_page_ended() -> None:
    kept = records()
    ids = [kept.ask(wanted(f"job-{n}"), by=None)[0].id for n in range(4)]
    kept.end(kept.get(ids[0]) or pytest.fail(), ended("failed"))
    kept.ask(wanted("job-0"), by=None)
    assert [job.id for job in listed(kept)] == [ids[0], ids[3], ids[2], ids[1]]
    entry = next(entry for entry in history.entries(kept) if history.ticket(entry) == f"{ids[3]}-1")
    assert [job.id for job in listed(kept, before=entry)] == [ids[2], ids[1]]


def test_a_forgetting_that_is_cut_anywhere_is_completed_and_open_jobs_stay() -> None:
    def before() -> MemoryStore:
        store = MemoryStore()
        kept, job = asked(store)
        kept.start(job, worker="w")
        kept.end(job, ended("failed"), events=b"{}", log=b"x")
        kept.end(kept.ask(wanted(), by=None)[0], ended())
        kept.ask(wanted("open"), by=None)
        return store

    def forget(store: Store) -> None:
        history.forget(records(store), ended_before=1_800_000_000)

    points = 0
    for point, store in cuts(before, forget):
        points += 1
        kept = records(store)
        assert [job.spec["name"] for job in kept.open()] == ["open"], point
        forget(store)
        assert [job.spec["name"] for job in listed(kept)] == ["open"], point
        left = [key for key in store.keys("jobs") if spec.identify(wanted()) in key]
        assert left == [], point
        assert kept.ask(wanted(), by=None)[1], point
    assert points > 15


def test_jobs_are_forgotten_so_long_after_their_end_and_stray_keys_stop_nothing() -> None:
    kept = records()
    early, late = (kept.ask(wanted(name), by=None)[0] for name in ("early", "late"))
    kept.end(early, End("failed", 1_700_000_500.0))
    kept.end(late, End("failed", 1_700_009_000.0))
    kept.store.create("jobs/times/0-stray", [b"{}"])
    assert history.forget(kept, ended_before=1_700_001_000) == [early.id]
    assert listed(kept) == [kept.get(late.id)]


class Meddled(FaultyStore):
    """At its point something is done to the store, and then all goes on."""

    def __init__(self, store: Store, at: int, meddle: Callable[[], object]) -> None:
        super().__init__(store, at, error=OSError())
        self._meddle = meddle

    def _point(self, name: str) -> None:
        try:
            super()._point(name)
        except OSError:
            self._meddle()


def test_a_job_asked_for_while_it_is_forgotten_is_there_and_can_be_worked_on() -> None:
    def forget(kept: Records) -> list[str]:
        return history.forget(kept, ended_before=1_800_000_000)

    points = reached = 0
    while points <= reached:
        store = MemoryStore()
        kept, job = asked(store)
        kept.end(job, ended("failed"), log=b"x")
        meddled = Meddled(store, points, partial(forget, kept))
        again, new = records(meddled).ask(wanted(), by="bob")
        assert new and again.end is None, points
        assert list(kept.open()) == [again], points
        forget(kept)
        assert listed(kept) == [again] == list(kept.open()), points
        reached = len(meddled.reached)
        points += 1
    assert points > 10


def test_a_page_reads_so_many_jobs_and_one_of_open_jobs_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "EXAMINED", 2)
    kept = records()
    all_jobs = [kept.ask(wanted(f"job-{n}"), by=None)[0] for n in range(5)]
    for job in all_jobs[1:]:
        kept.end(job, ended("failed"))
    listed = Board(kept, Link("unix:///nowhere/redis.sock"))

    def pages(status: Any, limit: int) -> list[list[str]]:
        found, before = [], ""
        while True:
            rows, after = listed.page(lambda job: True, status=status, before=before, limit=limit)
            found.append([job.spec["name"] for job, _ in rows])
            if after is None:
                return found
            before = after

    assert pages("finished", 9) == [[], [], []]
    assert pages("queued", 9) == [["job-0"]]
    assert pages("failed", 9) == [["job-4", "job-3"], ["job-2", "job-1"], []]
    assert pages(None, 1) == [[f"job-{n}"] for n in (4, 3, 2, 1, 0)]


def test_runs_kept_in_the_store_go_once_nobody_goes_on_with_them() -> None:
    kept = records()
    found = {}
    for name, status, time in (("old", "failed", 5), ("new", "failed", 50), ("done", "finished", 50), ("open", "", 0)):
        job = kept.ask(wanted(name), by=None)[0]
        if status:
            kept.end(job, End(status, time))  # type: ignore[arg-type]
        kept.store.create(f"jobs/state/{job.id}/1.json", [b"{}"])
        found[job.id] = name
    history.drop_states(kept, ended_before=40)
    assert sorted(found[key.split("/")[2]] for key in kept.store.keys("jobs/state")) == ["new", "open"]

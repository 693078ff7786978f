"""The parts of a worker: numbered events, limits, runs kept in the store, and when it gives up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import pytest
from cases import jobs
from cases.faulty_store import FaultyStore, cuts
from learngenes_service.jobs.events import Numbering, Progress, numbered, of_kept, order, to_keep
from learngenes_service.jobs.job import MOST_CRASHES, End, Job
from learngenes_service.jobs.records import Records
from learngenes_service.settings import Settings
from learngenes_service.worker import __main__ as worker
from learngenes_service.worker import execution
from learngenes_service.worker.backup import Backup
from learngenes_service.worker.execution import Execution
from learngenes_service.worker.limits import Limits
from learngenes_service.worker.pump import Pump
from learngenes_service.worker.runs import sweep
from learngenes_service.worker.trainer import command
from redis import Redis

from learngenes import spec
from learngenes.store import Store
from learngenes.store.local import LocalStore
from learngenes.store.memory import MemoryStore


def job_of(store: Store, *, name: str = "toy") -> Job:
    return Records(store).ask(spec.read("learn", jobs.learn(name=name)["spec"]), by=None)[0]


def lines(*times: float) -> list[bytes]:
    return [json.dumps({"time": time, "event": "step"}).encode() for time in times]


def test_ids_of_events_ascend_though_the_clock_goes_back_and_are_the_same_when_read_again() -> None:
    raw = [*lines(1.5, 1.5, 1.2), b'{"half a li', b"[]", *lines(2.0004)]
    ids = [id for id, _ in numbered(raw, Numbering())]
    assert ids == ["1500-0", "1500-1", "1500-2", "2000-0"]
    assert [order(id) for id in ids] == sorted(order(id) for id in ids)
    events = list(numbered(raw, Numbering()))
    assert of_kept(to_keep(events)) == events


def test_progress_is_the_last_of_each_number_and_begins_anew_with_each_phase() -> None:
    progress = Progress()
    for step, time in ((0, 10.0), (5, 15.0)):
        progress.add({"event": "step", "phase": "a", "step": step, "steps": 10, "time": time, "loss": 1.0 - step / 10})
    assert progress.state == {"phase": "a", "step": 5, "steps": 10, "loss": 0.5, "time": 15.0, "eta_seconds": 5.0}
    progress.add({"event": "epoch", "phase": "a", "step": 5, "steps": 10, "accuracy": 0.5, "time": 16.0})
    assert (progress.state["accuracy"], progress.state["loss"]) == (0.5, 0.5)
    progress.add({"event": "start", "phase": "b", "step": 0, "steps": 4, "time": 17.0})
    assert progress.state == {"phase": "b", "step": 0, "steps": 4, "time": 17.0}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"job_hours": 1.0}, "1.5 hours, and 1 is the most"),
        ({"run_bytes": 10}, "takes 11 bytes of disk, and 10 is the most"),
        ({"free_bytes": 10**18}, "have to be left"),
        ({}, None),
    ],
)
def test_a_limit_that_is_passed_is_said_with_both_values(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    (tmp_path / "file").write_bytes(bytes(11))
    settings = replace(Settings(tmp_path, str(tmp_path), free_bytes=0), **change)
    said = Limits(settings, tmp_path, spent_seconds=5400, clock=lambda: 100.0).broken()
    assert said is None if says is None else says in (said or "")


def kept_run(store: Store, run: Path) -> Backup:
    backup = Backup(store, "a" * 32, run)
    backup.begin()
    while backup.busy():
        pass
    return backup


def test_another_machine_goes_on_with_the_run_as_it_was_kept(tmp_path: Path) -> None:
    store, here, there = FaultyStore(MemoryStore(), 10**9), tmp_path / "here", tmp_path / "there"
    (here / "cells").mkdir(parents=True)
    there.mkdir()
    (here / "state.safetensors").write_bytes(b"one")
    (here / "cells" / "UPPER name").write_bytes(b"two")
    (here / "state.safetensors.part").write_bytes(b"half")
    backup = kept_run(store, here)
    sent = len(store.reached)
    (here / "events.jsonl").write_bytes(b"{}\n")
    backup.begin()
    while backup.busy():
        pass
    assert sum("parts/" in point for point in store.reached[sent:]) == 3  # of the one file that is new
    assert not Backup(store, "a" * 32, here).restore()

    (there / "state.safetensors").write_bytes(b"older")
    (there / "stale").write_bytes(b"")
    assert Backup(store, "a" * 32, there).restore()
    found = {path.relative_to(there).as_posix(): path.read_bytes() for path in there.rglob("*") if path.is_file()}
    assert found == {
        "state.safetensors": b"one",
        "cells/UPPER name": b"two",
        "events.jsonl": b"{}\n",
        "kept": b"2",
    }
    backup.drop()
    assert list(store.keys("jobs")) == []


def test_a_backup_that_is_cut_anywhere_leaves_the_one_before(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"

    def before() -> MemoryStore:
        store = MemoryStore()
        here.mkdir(exist_ok=True)
        (here / "kept").unlink(missing_ok=True)
        (here / "state").write_bytes(b"one")
        kept_run(store, here)
        (here / "state").write_bytes(b"two!")
        return store

    for number, (_, store) in enumerate(cuts(before, lambda store: Backup(store, "a" * 32, here)._keep())):
        (there / str(number)).mkdir(parents=True)
        assert Backup(store, "a" * 32, there / str(number)).restore()
        assert (there / str(number) / "state").read_bytes() in (b"one", b"two!")
    assert number > 6


def test_a_job_whose_workers_vanished_too_often_fails_with_the_end_of_its_log(tmp_path: Path) -> None:
    settings = Settings(tmp_path, str(tmp_path / "store"))
    store = LocalStore(tmp_path / "store")
    job = job_of(store)
    for _ in range(MOST_CRASHES + 1):
        Records(store).start(job, worker="gone")
    job = Records(store).get(job.id) or job
    run = settings.runs / job.id
    run.mkdir(parents=True)
    (run / "log.txt").write_text("CUDA error: out of luck\n")
    with Redis.from_url(f"unix://{tmp_path}/nobody") as nobody:
        pump = Pump(job, run, nobody, worker="w")
        execution = Execution(job, settings=settings, store=store, pump=pump, worker="w", told=lambda: False, lock=0)
        assert execution.perform()
    after = Records(store).get(job.id)
    assert after is not None and after.end is not None and after.end.error is not None
    assert (after.end.status, after.end.error["code"], len(after.attempts)) == ("failed", "crashed", MOST_CRASHES + 1)
    assert "out of luck" in after.end.error["detail"]
    assert Records(store).kept(after, "log") == b"CUDA error: out of luck\n"


def attempt_at(job: Job, store: Store, settings: Settings, *, told: bool = False) -> Execution:
    """An execution whose Redis is away."""
    (settings.runs / job.id).mkdir(parents=True, exist_ok=True)
    pump = Pump(job, settings.runs / job.id, Redis.from_url("unix:///nowhere/redis.sock"), worker="w")
    return Execution(job, settings=settings, store=store, pump=pump, worker="w", told=lambda: told, lock=0)


def test_time_of_attempts_that_were_killed_counts_and_a_job_past_its_limit_can_go_on_elsewhere(tmp_path: Path) -> None:
    store, settings = MemoryStore(), Settings(tmp_path, "s3://zoo/elsewhere", job_hours=1.0)
    job = job_of(store)
    begun = Records(store).start(job, worker="killed").time
    job = Records(store).get(job.id) or job
    killed = attempt_at(job, store, settings)
    said = [{"event": "attempt", "attempt": 1, "time": begun}, {"event": "checkpoint", "time": begun + 7200}]
    (settings.runs / job.id / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in said))
    assert killed.perform()
    after = Records(store).get(job.id)
    assert after is not None and after.end is not None and after.end.error is not None
    assert "ran for 2.0 hours, and 1 is the most" in after.end.error["detail"]
    assert Backup(store, job.id, tmp_path).restore()
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) > len(said)


class Stuck(MemoryStore):
    """A store that takes for ever to keep anything."""

    def __init__(self) -> None:
        super().__init__()
        self.freed = Event()

    def create(self, key: str, pieces: Any) -> None:
        if key.startswith("jobs/state"):
            self.freed.wait(20)
        super().create(key, pieces)


def test_a_worker_that_is_told_to_stop_does_not_wait_longer_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "HAND_BACK_SECONDS", 0.1)
    store = Stuck()
    leaving = attempt_at(job_of(store), store, Settings(tmp_path, "s3://zoo/elsewhere"), told=True)
    begun = monotonic()
    leaving._keep()
    assert monotonic() - begun < 5
    store.freed.set()


def test_learning_in_several_processes_is_started_by_torchrun_which_ends_with_the_worker(tmp_path: Path) -> None:
    job = job_of(MemoryStore())
    one, two = (command(job, tmp_path, Settings(tmp_path, "s3://b/p", ranks=ranks)) for ranks in (1, 2))
    assert one[1:4] == ["-m", "learngenes", "job"]
    assert two[1:3] == ["-m", "learngenes.guard"]
    assert "torch.distributed.run" in two and "2" in two
    assert two[-len(one) + 1 :] == ["--", *one[2:]]
    assert one[one.index("--cache") + 1] == str(tmp_path / "cache")
    assert command(replace(job, kind="evaluate"), tmp_path, Settings(tmp_path, "s3://b/p", ranks=2)) == one


def test_runs_that_nobody_goes_on_with_are_dropped(tmp_path: Path) -> None:
    records = Records(MemoryStore())
    asked = [job_of(records.store, name=name) for name in ("open", "failed", "finished", "cancelled")]
    for job, status in zip(asked[1:], ("failed", "finished", "cancelled"), strict=True):
        records.end(job, End(status, records.now()))  # type: ignore[arg-type]
    for name in (*(job.id for job in asked), "f" * 32, "mine"):
        (tmp_path / name).mkdir()
    sweep(tmp_path, records)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([asked[0].id, asked[1].id, "mine"])


def test_a_worker_without_a_queue_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LEARNGENES_REDIS_URL", raising=False)
    assert worker.main([]) == 2
    assert "set LEARNGENES_REDIS_URL" in capsys.readouterr().err

"""Workers, trainers and Redis that die at the worst time, for real: what was learned is never lost or learned twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cases import bucket, faults, jobs
from cases.faults import Scene
from cases.queue_servers import start_redis, wait_for_job, wait_until, workers
from factories import catalog, learngene

from learngenes.store.local import LocalStore

Start = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def scene(start: Start, tmp_path: Path) -> Iterator[Scene]:
    data = tmp_path / "data"
    catalog(None, learngene(), store=LocalStore(data / "store"))
    settings = {"LEARNGENES_ANONYMOUS": "train"}
    with (
        start_redis(tmp_path / "redis") as redis,
        start(data, settings=settings | {"LEARNGENES_REDIS_URL": redis.url}) as service,
        workers(data, redis.url) as crew,
    ):
        yield Scene(service.url, data, redis, crew)


@pytest.mark.slow
def test_a_job_survives_every_fault_one_after_the_other_and_is_never_run_twice(scene: Scene) -> None:
    scene.hire()
    id = scene.endless()
    scene.hire()
    attempts = 1
    for fault in (faults.redis_emptied, faults.redis_killed):
        fault(scene, id)
        assert scene.job(id)["attempts"] == attempts
        assert len(scene.trainers(id)) == 1
    for fault in (faults.trainer_killed, faults.worker_killed):
        scene.hire()
        fault(scene, id)
        attempts += 1
        events = scene.events(id)
        kept, begun = faults.resumed_from(events, attempts)
        assert begun >= kept > 0  # above, where it died between a checkpoint and its event
        assert scene.job(id)["attempts"] == attempts
        assert len(scene.trainers(id)) == 1
    assert [event["event"] for event in events].count("crashed") == 1
    assert [event["id"] for event in events] == sorted({event["id"] for event in events}, key=_order)
    assert faults.cancelled(scene, id) < 10
    assert httpx.delete(f"{scene.url}/v1/jobs/{id}").json()["code"] == "job-ended"


@pytest.mark.slow
def test_a_job_that_ends_while_redis_is_away_has_ended(scene: Scene) -> None:
    scene.hire()
    answer = httpx.post(f"{scene.url}/v1/jobs", json=jobs.learn(epochs=20, training={"warmup_epochs": 2}))
    id = answer.json()["id"]
    wait_until(lambda: scene.job(id)["attempts"])
    scene.redis.kill()
    wait_for_job(scene.url, id, "finished")
    assert "published" in {event["event"] for event in scene.events(id)}
    waits = httpx.post(f"{scene.url}/v1/jobs", json=jobs.learn(name="later"))
    assert (waits.status_code, waits.json()["status"]) == (202, "queued")
    assert "the queue can't be asked" in waits.json()["hint"]
    scene.redis.start()
    wait_for_job(scene.url, waits.json()["id"], "running")
    assert scene.job(id)["attempts"] == 1
    assert [mark.stem for mark in (scene.data / "store/jobs/open").iterdir()] == [f"{waits.json()['id']}-1"]


@pytest.mark.slow
def test_all_ranks_of_a_job_stop_and_another_machine_goes_on_from_the_bucket(start: Start, tmp_path: Path) -> None:
    with bucket.serving() as server, start_redis(tmp_path / "redis") as redis:
        settings = {**server.environment, "LEARNGENES_STORE": server.new(), "LEARNGENES_ANONYMOUS": "train"}
        here, there = tmp_path / "here", tmp_path / "there"
        with (
            start(tmp_path, settings=settings | {"LEARNGENES_REDIS_URL": redis.url}) as service,
            workers(here, redis.url, **settings, LEARNGENES_RANKS="2") as first,
            workers(there, redis.url, **settings) as second,
        ):
            one, two = (Scene(service.url, crew.data, redis, crew) for crew in (first, second))
            leaving = one.hire()
            id = one.endless()
            assert len(one.trainers(id)) >= 3
            assert leaving.stop() == 0
            assert one.trainers(id) == []
            assert one.events(id)[-1]["event"] == "handed-back"
            two.hire()
            two.learning(id, attempt=2)
            kept, begun = faults.resumed_from(two.events(id), 2)
            assert begun >= kept > 0
            faults.cancelled(two, id)


def _order(id: str) -> tuple[int, ...]:
    return tuple(map(int, id.split("-")))

"""A size that has to be fitted: refused with the job that does it, asked for, learned by a worker, and then served."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from cases import jobs, made, wave
from cases.measurements import top1
from cases.queue_servers import start_redis, wait_for_job, workers
from factories import catalog, learngene

from learngenes.store.local import LocalStore

Start = Callable[..., AbstractContextManager[Any]]

GEOMETRY = replace(made.TINY, depth=4, channels=1)
SIZE = {"depth": 3, "width": 16}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """`wave` says what it was learned from and `mute` does not; two of SWS are at hand, one of them measured."""
    manifest, raw = wave.make(name="wave", geometry=GEOMETRY)
    told = replace(manifest, training={"train": "digits:train", "test": "digits:test"})
    poor, good = learngene(name="poor", width=16), learngene(name="good", width=16)
    measured = replace(good[0], quality=(top1(3, 16, 0.7),))
    store = LocalStore(tmp_path / "store")
    catalog(None, (told, raw), wave.make(name="mute", geometry=GEOMETRY), poor, (measured, good[1]), store=store)
    return tmp_path


@pytest.fixture
def service(start: Start, data: Path) -> Iterator[Any]:
    settings = {"LEARNGENES_ANONYMOUS": "train"}
    with (
        start_redis(data / "redis") as redis,
        start(data, default="wave", settings=settings | {"LEARNGENES_REDIS_URL": redis.url}) as running,
        workers(data, redis.url) as crew,
    ):
        running.crew = crew
        with httpx.Client(base_url=running.url, timeout=30) as running.client:
            yield running


def test_a_service_that_is_told_to_stop_waits_for_no_reader_of_events(service: Any) -> None:
    waits = service.client.post("/v1/jobs", json=jobs.learn())
    with service.client.stream("GET", f"{waits.headers['location']}/events"):
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(5) == 0


@pytest.mark.slow
def test_a_size_that_needs_learning_is_asked_for_learned_and_served(service: Any) -> None:
    post = service.client.post
    refused = post("/initialize", json=SIZE)
    assert (refused.status_code, refused.json()["code"]) == (409, "needs-learning")
    assert refused.json()["alternative"] == {
        "body": {"learngene": "good@1", **SIZE},
        "why": "another learngene, at exactly this size",
        "accuracy": 0.7,
    }
    assert post("/initialize", json=refused.json()["alternative"]["body"]).status_code == 200
    nearest = post("/initialize", json={"depth": 3, "width": 32, "learngene": "wave"}).json()["alternative"]
    assert nearest["body"] == {"learngene": "wave@1", "depth": 4, "width": 32}

    assert post("/initialize?learn=auto", content=b'{"depth":3,"width":16}').status_code == 415
    mute = post("/initialize?learn=auto", json=SIZE | {"learngene": "mute"})
    assert (mute.status_code, mute.json()["job"]) == (409, None)
    assert "POST /v1/jobs with yours" in mute.json()["detail"]

    asked = post("/initialize?learn=auto", json=SIZE)
    assert (asked.status_code, asked.headers["location"]) == (202, f"/v1/jobs/{asked.json()['id']}")
    assert post("/initialize?learn=auto", json=SIZE).json()["id"] == asked.json()["id"]
    same = post("/v1/jobs", json=refused.json()["job"])
    assert (same.status_code, same.json()["id"]) == (200, asked.json()["id"])

    service.client.delete(asked.headers["location"])
    given_up = post("/initialize?learn=auto", json=SIZE)
    assert given_up.status_code == 409 and "has cancelled" not in given_up.json()["detail"]
    assert "to try again POST /v1/jobs" in given_up.json()["detail"]
    job = given_up.json()["job"] | {"spec": given_up.json()["job"]["spec"] | {"steps": 3}}
    quick = post("/v1/jobs", json=job)
    service.crew.start()
    done = wait_for_job(service.url, quick.json()["id"], "finished", "failed")
    assert done["status"] == "finished", done["error"]
    ready = post("/initialize?learn=auto", json=SIZE)
    assert ready.status_code == 200
    assert ready.content == post("/initialize", json=SIZE).content

"""What goes wrong with a running job, done on purpose: each takes a job that learns and returns once it does again."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cases import jobs
from cases.queue_servers import RedisServer, WorkerProcess, Workers, processes_of, wait_for_job, wait_until

LEASE_SECONDS = 5
"""Of workers that are killed; RQ's own would be 65."""

PAGE = 1000
"""Events that are read at once."""


@dataclass
class Scene:
    """A service, its queue and its workers."""

    url: str
    data: Path
    redis: RedisServer
    crew: Workers
    lease_seconds: int | None = LEASE_SECONDS
    workers: list[WorkerProcess] = field(default_factory=list)

    def hire(self) -> WorkerProcess:
        """One more worker."""
        worker = self.crew.start(lease_seconds=self.lease_seconds)
        self.workers.append(worker)
        return worker

    def endless(self, **more: Any) -> str:
        """A job that learns until it is cancelled, with a checkpoint every few steps; its id, once it learns."""
        training = {"checkpoint_minutes": 0.002, "warmup_epochs": 1}
        answer = httpx.post(f"{self.url}/v1/jobs", json=jobs.learn(epochs=200_000, training=training, **more))
        assert answer.status_code == 202, answer.text
        id = str(answer.json()["id"])
        self.learning(id, attempt=1)
        return id

    def job(self, id: str) -> dict[str, Any]:
        return dict(httpx.get(f"{self.url}/v1/jobs/{id}").json())

    def events(self, id: str) -> list[dict[str, Any]]:
        """All events so far, page by page."""
        found: list[dict[str, Any]] = []
        place = f"/v1/jobs/{id}/events?limit={PAGE}"
        while True:
            page = httpx.get(self.url + place, headers={"accept": "application/json"}).json()
            found += page["events"]
            if len(page["events"]) < PAGE:  # else a job that speaks faster than it is read is read for ever
                return found
            place = page["next"]

    def learning(self, id: str, *, attempt: int) -> float:
        """Seconds until this attempt has taken a step."""
        begun = time.monotonic()
        wait_until(lambda: self.job(id)["attempts"] >= attempt, seconds=100, each=0.2)
        wait_until(lambda: _names(self.events(id), attempt).count("checkpoint") > 1, seconds=60, each=0.5)
        return time.monotonic() - begun

    def trainers(self, id: str) -> list[int]:
        """Processes that learn for this job just now."""
        return processes_of(self.data / "runs" / id)

    def busy(self, id: str) -> WorkerProcess:
        """The worker that runs the job."""
        name = str(self.job(id)["worker"])
        return next(worker for worker in self.workers if f"-{worker.process.pid}-" in name)


def resumed_from(events: list[dict[str, Any]], attempt: int) -> tuple[int, int]:
    """The last checkpoint before an attempt, and the step that it went on from."""
    begun = next(n for n, event in enumerate(events) if event.get("attempt") == attempt and event["event"] == "attempt")
    kept = [event["step"] for event in events[:begun] if event["event"] == "checkpoint"]
    return kept[-1], next(event["step"] for event in events[begun:] if event["event"] == "start")


def trainer_killed(scene: Scene, id: str) -> float:
    """kill -9 of the process that learns."""
    attempts = scene.job(id)["attempts"]
    os.kill(scene.trainers(id)[0], signal.SIGKILL)
    return scene.learning(id, attempt=attempts + 1)


def worker_killed(scene: Scene, id: str) -> float:
    """kill -9 of the worker alone: what it started ends too, and another one goes on after the lease."""
    attempts = scene.job(id)["attempts"]
    before = scene.trainers(id)
    scene.busy(id).kill()
    wait_until(lambda: not set(before) & set(scene.trainers(id)), seconds=2)
    return scene.learning(id, attempt=attempts + 1)


def worker_told_to_stop(scene: Scene, id: str) -> float:
    """SIGTERM to the worker: a checkpoint, the job is handed back, another one goes on."""
    attempts = scene.job(id)["attempts"]
    assert scene.busy(id).stop() == 0
    return scene.learning(id, attempt=attempts + 1)


def redis_emptied(scene: Scene, id: str) -> float:
    """FLUSHALL: the job goes on, and what it said is there again."""
    before = scene.events(id)
    begun = time.monotonic()
    scene.redis.client.flushall()
    wait_until(lambda: scene.events(id)[: len(before)] == before, seconds=20)
    wait_until(lambda: scene.job(id)["status"] == "running", seconds=20)
    return time.monotonic() - begun


def redis_killed(scene: Scene, id: str) -> float:
    """kill -9 of Redis, back after a few seconds with its append-only file: the job learns all the time."""
    step = scene.events(id)[-1].get("step", 0)
    scene.redis.kill()
    time.sleep(3)
    assert httpx.get(f"{scene.url}/v1/jobs/{id}").json()["status"] == "running"
    begun = time.monotonic()
    scene.redis.start()
    wait_until(lambda: scene.events(id)[-1].get("step", 0) > step, seconds=20)
    return time.monotonic() - begun


def cancelled(scene: Scene, id: str) -> float:
    """Cancelled while it runs: nothing of it goes on, and its run is gone."""
    begun = time.monotonic()
    assert httpx.delete(f"{scene.url}/v1/jobs/{id}").status_code == 202
    wait_for_job(scene.url, id, "cancelled", seconds=20)
    seconds = time.monotonic() - begun
    assert scene.trainers(id) == []
    wait_until(lambda: not (scene.data / "runs" / id).exists(), seconds=10)  # the end is recorded before the run goes
    return seconds


def _names(events: list[dict[str, Any]], attempt: int) -> list[str]:
    """Names of the events of an attempt."""
    begun = [n for n, event in enumerate(events) if event["event"] == "attempt" and event["attempt"] == attempt]
    return [event["event"] for event in events[begun[0] :]] if begun else []

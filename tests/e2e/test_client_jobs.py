"""Jobs asked for, followed and cancelled by the client and its command line, at a real service with a real worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import factories
import pytest
from cases import jobs
from cases.faults import Scene
from cases.queue_servers import start_redis, workers
from learngenes_client import AsyncClient, Client, InvalidArgument, InvalidRequest, JobEnded, JobNotFound
from learngenes_client.cli import main

from learngenes.store.local import LocalStore

Start = Callable[..., AbstractContextManager[Any]]
NOBODY = "0" * 32


@pytest.fixture(scope="module")
def scene(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """No worker listens until the last test of this module."""
    data = tmp_path_factory.mktemp("client-jobs")
    factories.catalog(None, factories.learngene(), store=LocalStore(data / "store"))
    with (
        start_redis(data / "redis") as redis,
        start(data, settings={"LEARNGENES_ANONYMOUS": "train", "LEARNGENES_REDIS_URL": redis.url}) as service,
        workers(data, redis.url) as crew,
    ):
        yield Scene(service.url, data, redis, crew, lease_seconds=None)


@pytest.fixture
def client(scene: Scene, tmp_path: Path) -> Iterator[Client]:
    with Client(scene.url, cache=tmp_path) as client:
        yield client


def test_a_job_is_asked_for_once_listed_and_cancelled(client: Client) -> None:
    job = client.submit(jobs.learn(name="once"))
    assert (job.status, job.kind, job.has_ended, job.spec["name"]) == ("queued", "learn", False, "once")
    assert job.hint is not None and "no worker" in job.hint
    assert client.submit(jobs.learn(name="once")).id == client.job(job.id).id == job.id
    assert job.id in [one.id for one in client.jobs(status="queued", kind="learn")]
    assert client.jobs(kind="tournament") == client.jobs(limit=0) == ()
    assert client.job_log(job.id) == ""
    gone = client.cancel(job.id)
    assert (gone.status, gone.has_ended) == ("cancelled", True)
    with pytest.raises(JobEnded):
        client.cancel(job.id)
    assert [event.data for event in client.watch(job.id)] == [{"status": "cancelled", "error": None}]


def test_lists_go_on_from_page_to_page(client: Client) -> None:
    ids = [client.submit(jobs.learn(name=f"many-{number}")).id for number in range(102)]
    assert [job.id for job in client.jobs(limit=101)] == ids[:0:-1]
    for id in ids:
        client.cancel(id)


def test_an_idempotency_key_goes_with_the_job(client: Client) -> None:
    job = client.submit(jobs.learn(name="keyed"), idempotency_key="key-1")
    client.cancel(job.id)
    assert client.submit(jobs.learn(name="keyed"), idempotency_key="key-1").status == "cancelled"
    with pytest.raises(InvalidRequest):
        client.submit(jobs.learn(name="other"), idempotency_key="key-1")
    with pytest.raises(InvalidArgument):
        client.submit(jobs.learn(), idempotency_key="two words")


def test_what_is_no_job_or_not_there_is_said(client: Client) -> None:
    with pytest.raises(InvalidArgument, match="kind"):
        client.submit({"spec": {}})
    with pytest.raises(InvalidRequest, match="did you mean 'learn'"):
        client.submit({"kind": "lern", "spec": {}})
    for ask in (client.job, client.cancel, client.job_log, lambda id: next(client.watch(id))):
        with pytest.raises(JobNotFound):
            ask(NOBODY)


def test_the_command_line_asks_lists_and_cancels(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEARNGENES_URL", scene.url)
    (tmp_path / "job.json").write_text(json.dumps(jobs.learn(name="shell")))
    (tmp_path / "spec.json").write_text(json.dumps(jobs.learn(name="shell")["spec"]))
    assert main(["submit", str(tmp_path / "job.json"), "--json"]) == 0
    id = json.loads(capsys.readouterr().out)["id"]
    assert main(["submit", str(tmp_path / "spec.json"), "--kind", "learn"]) == 0
    assert capsys.readouterr().out.startswith(id)
    assert main(["jobs", "--status", "queued", "--limit", "1"]) == 0
    assert capsys.readouterr().out.split()[:3] == [id, "learn", "queued"]
    assert main(["job", id]) == 0
    assert "hint        no worker is running" in capsys.readouterr().out
    assert main(["job", id, "--log", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"id": id, "log": ""}
    assert main(["cancel", id]) == 0
    assert " cancelled " in capsys.readouterr().out
    assert main(["watch", id, "--json"]) == 5
    assert json.loads(capsys.readouterr().out)["event"] == "end"
    assert main(["submit", str(tmp_path / "nowhere.json")]) == 2
    assert main(["job", "../etc"]) == 2
    capsys.readouterr()


@pytest.mark.slow
def test_a_job_is_watched_to_its_end_by_both_clients(
    client: Client, scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = client.submit(jobs.learn(name="toy"))
    scene.hire()
    seen = list(client.watch(job.id))
    names = [event.name for event in seen]
    assert (names[0], names[-2], names[-1]) == ("attempt", "published", "end")
    assert {"loss", "images_per_second"} <= seen[names.index("step")].data.keys()
    assert seen[-1].data["status"] == "finished"

    async def rest() -> list[Any]:
        async with AsyncClient(scene.url, cache=tmp_path) as client:
            return [event async for event in client.watch(job.id, after=seen[3].id)]

    assert asyncio.run(rest()) == seen[4:]
    done = client.job(job.id)
    assert (done.status, done.published, done.attempts) == ("finished", ("toy@1",), 1)
    assert client.fetch_model(learngene="toy@1", depth=3).path.exists()
    assert main(["watch", job.id, "--url", scene.url]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["end", "status=finished"]

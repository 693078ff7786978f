"""The jobs of a real service, on a real queue, done by a real worker."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from cases import jobs
from cases.faults import Scene
from cases.queue_servers import start_redis, wait_for_job, wait_until, workers
from factories import catalog, learngene
from learngenes_service.jobs import places
from learngenes_service.jobs.board import Board
from learngenes_service.jobs.link import Link
from learngenes_service.jobs.reconcile import reconcile
from learngenes_service.jobs.records import Records

from learngenes.store.local import LocalStore

Start = Callable[..., AbstractContextManager[Any]]
NOBODY = "0" * 32


@pytest.fixture(scope="module")
def scene(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """No worker listens until a test hires one: the last of this module."""
    data = tmp_path_factory.mktemp("jobs")
    catalog(None, learngene(), store=LocalStore(data / "store"))
    with (
        start_redis(data / "redis") as redis,
        start(data, settings={"LEARNGENES_ANONYMOUS": "train", "LEARNGENES_REDIS_URL": redis.url}) as service,
        workers(data, redis.url) as crew,
    ):
        yield Scene(service.url, data, redis, crew, lease_seconds=None)


@pytest.fixture
def api(scene: Scene) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=scene.url, timeout=30) as client:
        yield client


def test_a_job_is_there_once_however_often_it_is_asked_for(api: httpx.Client) -> None:
    first = api.post("/v1/jobs", json=jobs.learn(name="once"))
    assert (first.status_code, first.headers["location"]) == (202, f"/v1/jobs/{first.json()['id']}")
    assert first.json()["status"] == "queued" and "no worker is running" in first.json()["hint"]
    again = api.post("/v1/jobs", json=jobs.learn(name="once"))
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    behind = api.post("/v1/jobs", json=jobs.learn(name="behind")).json()
    assert behind["position"] == first.json()["position"] + 1
    waiting = api.get(f"/v1/jobs/{behind['id']}/events", headers={"accept": "application/json"}).json()
    assert (waiting["events"], waiting["ended"]) == ([], False)
    assert api.get(f"/v1/jobs/{behind['id']}/log").text == ""


def test_a_job_that_waits_is_cancelled_at_once_and_can_be_asked_again(api: httpx.Client, scene: Scene) -> None:
    asked = api.post("/v1/jobs", json=jobs.learn(name="unwanted")).json()
    # As it is after it was handed back: it has said something, and its run is kept.
    scene.redis.client.xadd(f"learngenes:events:{asked['id']}-1", {"event": '{"event": "handed-back"}'}, id="5-0")
    scene.redis.client.set(f"learngenes:log:{asked['id']}-1", "so far")
    store = LocalStore(scene.data / "store")
    store.create(f"jobs/state/{asked['id']}/1.json", [b"{}"])
    gone = api.delete(f"/v1/jobs/{asked['id']}")
    assert (gone.status_code, gone.json()["status"]) == (202, "cancelled")
    assert not scene.redis.client.lpos("rq:queue:long", f"{asked['id']}-1")
    assert api.delete(f"/v1/jobs/{asked['id']}").json()["code"] == "job-ended"
    with httpx.stream("GET", f"{api.base_url}/v1/jobs/{asked['id']}/events") as events:
        assert '"status": "cancelled"' in "".join(events.iter_text())
    scene.redis.client.delete(f"learngenes:events:{asked['id']}-1")
    page = api.get(f"/v1/jobs/{asked['id']}/events", headers={"accept": "application/json"}).json()
    assert page["events"] == [{"id": "5-0", "event": "handed-back"}]
    assert api.get(f"/v1/jobs/{asked['id']}/log").text == "so far"
    assert list(store.keys("jobs/state")) == []
    again = api.post("/v1/jobs", json=jobs.learn(name="unwanted"))
    assert (again.status_code, again.json()["id"], again.json()["status"]) == (202, asked["id"], "queued")
    api.delete(f"/v1/jobs/{asked['id']}")


def test_a_job_of_which_redis_kept_a_stub_alone_is_put_back(api: httpx.Client, scene: Scene) -> None:
    asked = api.post("/v1/jobs", json=jobs.learn(name="stub")).json()
    ticket, redis = f"{asked['id']}-1", scene.redis.client
    redis.delete("rq:queue:long", f"rq:job:{ticket}")
    redis.hset(f"rq:job:{ticket}", "last_heartbeat", "late")  # as a worker leaves it that did not see Redis emptied
    board = Board(Records(LocalStore(scene.data / "store")), Link(scene.redis.url))
    wait_until(lambda: reconcile(board, wait=lambda seconds: None) or redis.lpos("rq:queue:long", ticket) is not None)
    assert redis.hget(f"rq:job:{ticket}", "status") == b"queued"
    api.delete(asked["links"]["self"])


def test_who_could_not_give_back_its_turn_to_reconcile_has_it_still(scene: Scene) -> None:
    """Redis died meanwhile, and has kept it: jobs that were asked for in between need not wait until it runs out."""
    redis = scene.redis.client
    queue, other = Link(scene.redis.url).queue, Link(scene.redis.url).queue
    with queue.alone(seconds=60) as mine:
        wait_until(mine, seconds=70)  # the service may be at it
        left = cast("bytes", redis.get(places.RECONCILING))
    redis.set(places.RECONCILING, left, ex=60)
    with other.alone(seconds=60) as theirs:
        assert not theirs()
    with queue.alone(seconds=60) as mine:
        assert mine()
    assert not redis.exists(places.RECONCILING) or redis.get(places.RECONCILING) != left


def test_the_same_key_and_body_get_the_same_answer_and_the_key_with_another_body_is_refused(api: httpx.Client) -> None:
    key = {"idempotency-key": "one"}
    first = api.post("/v1/jobs", json=jobs.learn(name="keyed"), headers=key)
    again = api.post("/v1/jobs", json=jobs.learn(name="keyed"), headers=key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    api.delete(f"/v1/jobs/{first.json()['id']}")
    late = api.post("/v1/jobs", json=jobs.learn(name="keyed"), headers=key)
    assert (late.status_code, late.json()["status"]) == (202, "cancelled")
    other = api.post("/v1/jobs", json=jobs.learn(name="other"), headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert api.post("/v1/jobs", json=jobs.learn(), headers={"idempotency-key": "x" * 300}).status_code == 422


def test_all_jobs_are_listed_page_by_page_newest_first(api: httpx.Client) -> None:
    names = [api.post("/v1/jobs", json=jobs.learn(name=f"page-{n}")).json()["spec"]["name"] for n in range(3)]
    found, place = [], "/v1/jobs?limit=2&kind=learn"
    while place:
        page = api.get(place).json()
        assert len(page["jobs"]) <= 2
        found += page["jobs"]
        place = page["next"]
    assert [job["spec"]["name"] for job in found][:3] == names[::-1]
    assert len({job["id"] for job in found}) == len(found)
    assert {job["status"] for job in api.get("/v1/jobs?status=cancelled").json()["jobs"]} == {"cancelled"}
    assert api.get("/v1/jobs?kind=tournament").json() == {"jobs": [], "next": None}
    assert api.get("/v1/jobs?cursor=%C3%A9").json()["code"] == "invalid-value"
    for job in found:
        if job["status"] == "queued":
            api.delete(job["links"]["self"])


@pytest.mark.parametrize("path", ["", "/events", "/log"])
def test_nothing_is_known_of_a_job_that_nobody_asked_for(api: httpx.Client, path: str) -> None:
    for id in (NOBODY, "nonsense", "..%2F..", "A" * 500):
        assert api.get(f"/v1/jobs/{id}{path}").status_code == 404
    assert api.delete(f"/v1/jobs/{NOBODY}").json()["code"] == "job-not-found"


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ({"kind": "lern", "spec": {}}, "unknown-name", "did you mean 'learn'"),
        ({"kind": "learn", "spec": {}, "x": 1}, "invalid-request", "unknown field"),
        ({"kind": "learn"}, "invalid-request", "spec"),
        (jobs.learn(epochs=-1), "invalid-value", "epochs"),
        (jobs.learn(data=jobs.DATA | {"train": "folder:/etc"}), "invalid-value", "inside the image directory"),
        ({"kind": "fit-size", "spec": jobs.FIT | {"learngene": "nobody"}}, "learngene-not-found", "nobody"),
        ({"kind": "fit-size", "spec": jobs.FIT | {"learngene": "tiny"}}, "invalid-value", "the job says"),
    ],
)
def test_a_job_that_can_not_be_is_refused_before_anything_is_queued(
    api: httpx.Client, body: dict[str, Any], code: str, says: str
) -> None:
    refused = api.post("/v1/jobs", json=body)
    assert (refused.status_code, refused.json()["code"]) == (404 if code.endswith("not-found") else 422, code)
    assert says in refused.json()["detail"]


def test_strangers_follow_a_job_without_its_log_and_nothing_of_it_is_cached(api: httpx.Client) -> None:
    place = api.post("/v1/jobs", json=jobs.learn(name="seen")).headers["location"]
    stranger = {"host": "elsewhere.example"}
    for path in ("/v1/jobs", place, f"{place}/events"):
        answer = api.get(path, headers=stranger | {"accept": "application/json"})
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    refused = api.get(f"{place}/log", headers=stranger)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    assert api.get(f"{place}/log").headers["cache-control"] == "no-store"
    api.delete(place)


def test_a_form_of_a_browser_starts_nothing(api: httpx.Client) -> None:
    raw = json.dumps(jobs.learn(name="forged"))
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        refused = api.post("/v1/jobs", content=raw, headers={"content-type": kind})
        assert (refused.status_code, refused.json()["code"]) == (415, "unsupported-media-type")


def test_a_service_without_a_queue_says_how_to_get_one(start: Start, tmp_path: Path) -> None:
    catalog(None, learngene(), store=LocalStore(tmp_path / "store"))
    with start(tmp_path, settings={"LEARNGENES_ANONYMOUS": "train"}) as service:
        for answer in (httpx.get(f"{service.url}/v1/jobs"), httpx.post(f"{service.url}/v1/jobs", json=jobs.learn())):
            assert (answer.status_code, answer.json()["code"]) == (503, "no-queue")


@pytest.mark.slow
def test_a_job_is_followed_to_its_end_and_what_it_learned_is_served(api: httpx.Client, scene: Scene) -> None:
    id = api.post("/v1/jobs", json=jobs.learn(name="toy", alias="best")).json()["id"]
    lost = api.post("/v1/jobs", json=jobs.learn(name="lost", data=jobs.DATA | {"train": "folder:nowhere"})).json()["id"]
    told: list[str] = []
    reader = threading.Thread(target=lambda: told.append(_stream(scene.url, id)))
    reader.start()
    scene.hire()
    done = wait_for_job(scene.url, id, "finished", "failed")
    assert (done["status"], done["attempts"], done["published"]) == (
        "finished",
        1,
        [{"reference": "toy@1", "url": "/v1/learngenes/toy@1"}],
    )
    assert done["aliases"] and done["progress"]["step"] == done["progress"]["steps"] == 5  # type: ignore[index]
    assert api.post("/initialize", json={"learngene": "toy@best", "depth": 3}).status_code == 200

    reader.join(10)
    events = _parsed(told[0])
    names = [event["event"] for event in events]
    assert names[0] == "attempt" and names[-2:] == ["published", "end"]
    assert json.loads(events[-1]["data"]) == {"status": "finished", "error": None}
    assert {"loss", "images_per_second", "eta_seconds"} <= json.loads(events[names.index("step")]["data"]).keys()
    rest = _parsed(_stream(scene.url, id, {"last-event-id": events[3]["id"]}))
    assert rest == events[4:]
    page = api.get(f"/v1/jobs/{id}/events?limit=3", headers={"accept": "application/json"}).json()
    assert [event["id"] for event in page["events"]] == [event["id"] for event in events[:3]]
    scene.redis.client.delete(f"learngenes:events:{id}-1")
    assert _parsed(_stream(scene.url, id)) == events
    rest = api.get(page["next"], headers={"accept": "application/json"}).json()
    assert [event["id"] for event in rest["events"]] == [event["id"] for event in events[3:6]]

    assert api.post("/v1/jobs", json=jobs.learn(name="toy", alias="best")).json()["status"] == "finished"
    wait_until(lambda: not (scene.data / "runs" / id).exists(), seconds=10)
    failed = wait_for_job(scene.url, lost, "failed")
    assert (failed["attempts"], failed["error"]["code"]) == (1, "bad-data")  # type: ignore[index]
    assert "nowhere" in api.get(f"/v1/jobs/{lost}/log").text
    assert "learngenes_workers 1.0" in api.get("/metrics").text


def _stream(url: str, id: str, headers: dict[str, str] | None = None) -> str:
    with httpx.stream("GET", f"{url}/v1/jobs/{id}/events", headers=headers, timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return "".join(answer.iter_text())


def _parsed(text: str) -> list[dict[str, str]]:
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]

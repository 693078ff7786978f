"""Who sees which job, and who may ask for it, asked of the real service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import factories
import httpx
import pytest
from cases.jobs import learn
from cases.queue_servers import start_redis
from learngenes_service.access.keys import Keys

from learngenes.gene import Parent
from learngenes.store.local import LocalStore

Start = Callable[..., AbstractContextManager[Any]]
SECRET, HEIR = "zz-secret", "zz-heir"
MEASURE: dict[str, Any] = {"learngene": HEIR, "test": "digits:test", "depths": [2]}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A public learngene, a private one, and one that completes the private one and has no mark of its own."""
    data = tmp_path_factory.mktemp("rights")
    secret, raw = factories.learngene(name=SECRET, seed=1)
    heir = replace(secret, name=HEIR, parent=Parent(secret.reference, secret.digest))
    factories.catalog(
        None, factories.learngene(), (secret, raw), (heir, raw), store=LocalStore(data / "store")
    ).set_private(SECRET, True)
    return data


@pytest.fixture(scope="module")
def api(data: Path, start: Start) -> Iterator[httpx.Client]:
    with start_redis(data / "redis") as redis:
        settings = {"LEARNGENES_REDIS_URL": redis.url, "LEARNGENES_ANONYMOUS": "train"}
        with start(data, settings=settings) as service, httpx.Client(base_url=service.url) as client:
            yield client


@pytest.fixture(scope="module")
def bearers(data: Path) -> dict[str, dict[str, str]]:
    """What a caller of each scope sends."""
    keys = Keys(LocalStore(data / "store"))
    return {
        scope: {"Authorization": f"Bearer {keys.add(scope, scope, at=datetime.now(UTC))}"}
        for scope in ("train", "admin")
    }


def test_a_job_about_something_private_looks_like_one_that_is_not_there(
    api: httpx.Client, bearers: dict[str, dict[str, str]]
) -> None:
    asked = [
        (learn(name=SECRET, seed=7), "admin"),
        ({"kind": "evaluate", "spec": MEASURE}, "train"),
        (learn(name="mine", private=True), "train"),
        (learn(name="shared"), "train"),
    ]
    ids = [api.post("/v1/jobs", json=job, headers=bearers[scope]).json()["id"] for job, scope in asked]
    assert [row["id"] for row in api.get("/v1/jobs").json()["jobs"]] == ids[3:]
    assert len(api.get("/v1/jobs", headers=bearers["train"]).json()["jobs"]) == 4
    for id in (*ids[:3], "0" * 32):
        for method, rest in (("GET", ""), ("DELETE", ""), ("GET", "/events"), ("GET", "/log")):
            answer = api.request(method, f"/v1/jobs/{id}{rest}")
            assert (answer.status_code, answer.json()["code"]) == (404, "job-not-found"), (method, rest)
            assert "zz-" not in answer.text
    seen = api.get(f"/v1/jobs/{ids[1]}", headers=bearers["train"])
    assert (seen.status_code, seen.json()["asked_by"]) == (200, "train")


def test_a_job_that_replaces_what_others_get_needs_scope_admin(
    api: httpx.Client, bearers: dict[str, dict[str, str]]
) -> None:
    replacing = {
        "tiny@1": learn(name="tiny"),
        f"{SECRET}@1": learn(name=SECRET),
        f"{HEIR}@best": {"kind": "evaluate", "spec": MEASURE | {"alias": "best"}},
    }
    for reference, job in replacing.items():
        refused = api.post("/v1/jobs", json=job, headers=bearers["train"])
        assert (refused.status_code, refused.json()["scope"]) == (403, "admin")
        assert f"a job that replaces {reference} needs scope 'admin'" in refused.json()["detail"]
    assert api.post("/v1/jobs", json=replacing["tiny@1"]).status_code == 401
    assert api.post("/v1/jobs", json=replacing["tiny@1"], headers=bearers["admin"]).status_code == 202
    assert api.post("/v1/jobs", json=learn(name="tiny", private=True), headers=bearers["admin"]).status_code == 422

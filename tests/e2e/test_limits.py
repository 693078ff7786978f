"""How often somebody may ask, and how much they may send."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import factories
import httpx
import pytest
from cases.queue_servers import start_redis
from learngenes_service.access.keys import Keys

from learngenes.store.local import LocalStore

Start = Callable[..., AbstractContextManager[Any]]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("limits")
    factories.catalog(None, factories.learngene(), store=LocalStore(data / "store"))
    return data


@pytest.fixture(scope="module")
def key(data: Path) -> str:
    return Keys(LocalStore(data / "store")).add("reader", "read", at=datetime.now(UTC))


def test_who_asks_too_often_is_told_when_to_ask_again(data: Path, key: str, start: Start) -> None:
    with start(data, settings={"LEARNGENES_RATE": "3/hour"}) as service, httpx.Client(base_url=service.url) as client:
        answers = [client.get("/v1/methods") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"default";q=3;w=3600'}
        lefts = [re.fullmatch(r'"default";r=(\d+);t=(\d+)', answer.headers["ratelimit"]) for answer in answers]
        assert [found and int(found[1]) for found in lefts] == [2, 1, 0, 0]
        refused = answers[-1]
        assert refused.json()["code"] == "too-many-requests"
        assert 3500 < int(refused.headers["retry-after"]) <= 3600
        # A wrong key counts for the address, a good one for itself; who watches the service is not counted.
        assert client.get("/v1/methods", headers=bearer("lgz_" + "a" * 43)).status_code == 429
        assert client.get("/v1/methods", headers=bearer(key)).headers["ratelimit"].startswith('"default";r=2;')
        for path in ("/healthz", "/readyz", "/metrics"):
            assert {client.get(path).status_code for _ in range(5)} == {200}, path
        body = {"depth": 3}
        assert client.post("/initialize", json=body).status_code == 429
        made = client.post("/initialize", json=body, headers=bearer(key))
        assert (made.status_code, made.headers["ratelimit"].partition(";t")[0]) == (200, '"default";r=1')


def test_replicas_count_together_and_a_redis_that_dies_stops_nobody(data: Path, start: Start, tmp_path: Path) -> None:
    with start_redis(tmp_path / "redis") as redis:
        settings = {"LEARNGENES_RATE": "3/hour", "LEARNGENES_REDIS_URL": redis.url}
        with start(data, settings=settings) as one, start(data, settings=settings) as other:

            def ask(*services: Any) -> list[int]:
                return [httpx.get(f"{service.url}/v1/methods").status_code for service in services]

            assert ask(one, other, one, other, one) == [200, 200, 200, 429, 429]
            redis.kill()
            assert ask(one, other, one, other) == [200] * 4


def test_a_body_that_is_too_large_is_a_problem(data: Path, start: Start) -> None:
    def unsaid() -> Iterator[bytes]:
        for _ in range(50):
            yield bytes(1000)

    with start(data, settings={"LEARNGENES_BODY_BYTES": "2000"}) as service:
        for body in (bytes(2001), unsaid()):
            answer = httpx.post(f"{service.url}/initialize", content=body)
            assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
        fits = b'{"depth": 3}'.ljust(2000)
        assert httpx.post(f"{service.url}/initialize", content=fits).status_code == 200

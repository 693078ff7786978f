"""What the service says of itself while it serves: its log, its metrics, its state."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import factories
import httpx
import pytest
from learngenes_service.access.keys import Keys

from learngenes.store.local import LocalStore

Start = Callable[..., AbstractContextManager[Any]]


@dataclass
class Watched:
    """A service, the file of its log, and a key."""

    url: str
    said: Path
    key: str

    def lines(self, **facts: object) -> list[dict[str, Any]]:
        """Lines of the log that say this, as soon as there is one; all are JSON."""
        for _ in range(100):
            lines = [json.loads(line) for line in self.said.read_text("utf-8").splitlines()]
            if found := [line for line in lines if facts.items() <= line.items()]:
                return found
            time.sleep(0.02)
        return []

    def metrics(self) -> dict[str, float]:
        text = httpx.get(f"{self.url}/metrics").text
        rows = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in rows}


@pytest.fixture(scope="module", params=[True, False], ids=["zero-copy", "plain"])
def watched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, start: Start
) -> Iterator[Watched]:
    data = tmp_path_factory.mktemp("telemetry")
    store = LocalStore(data / "store")
    factories.catalog(None, factories.learngene(), store=store)
    key = Keys(store).add("ada", "train", at=datetime.now(UTC))
    said = data / "log"
    with start(data, zero_copy=request.param, settings={"LEARNGENES_LOG": "json"}, log=said) as service:
        yield Watched(service.url, said, key)


def test_a_request_has_one_line_with_what_was_sent(watched: Watched) -> None:
    headers = {"X-Request-ID": "line-1", "Authorization": f"Bearer {watched.key}"}
    answer = httpx.post(f"{watched.url}/initialize", json={"depth": 3}, headers=headers)
    assert answer.headers["x-request-id"] == "line-1"
    (line,) = watched.lines(request_id="line-1")
    assert (line["event"], line["method"], line["path"]) == ("request", "POST", "/initialize")
    assert (line["status"], line["bytes"], line["caller"]) == (200, len(answer.content), "ada")
    assert 0 < line["first_byte_ms"] <= line["ms"]
    httpx.get(
        answer.request.url.join(answer.headers["content-location"]), headers={"X-Request-ID": "r", "Range": "bytes=7-"}
    )
    (line,) = watched.lines(request_id="r")
    assert (line["status"], line["bytes"]) == (206, len(answer.content) - 7)
    assert "caller" not in line


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, 'a"b', "ä".encode()])
def test_an_id_that_could_harm_a_log_is_replaced(watched: Watched, given: str | bytes) -> None:
    answer = httpx.get(f"{watched.url}/v1/methods", headers={"X-Request-ID": given})
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])


def test_every_answer_has_an_id_and_problems_say_it_too(watched: Watched) -> None:
    with httpx.Client(base_url=watched.url) as client:
        for answer in (
            client.get("/v1/learngenes/absent"),
            client.get("/nothing/here"),
            client.put("/initialize"),
            client.post("/initialize", content=b"{"),
            client.post("/initialize", content=bytes(2_000_000)),
            client.get("/v1/methods", headers={"Authorization": "Bearer wrong"}),
            client.get("/healthz"),
        ):
            id = answer.headers["x-request-id"]
            assert answer.json().get("request_id", id) == id
            assert ("request_id" in answer.json()) == (answer.status_code >= 400)


def test_a_path_writes_no_line_of_its_own_and_a_key_none_at_all(watched: Watched) -> None:
    httpx.get(f"{watched.url}/v1/learngenes/a%0A%7B%22event%22:%22forged%22%7D", headers={"X-Request-ID": "forged"})
    (line,) = watched.lines(request_id="forged")
    assert line["path"] == "/v1/learngenes/a%0A%7B%22event%22:%22forged%22%7D"
    for id, given in (("known", f"Bearer {watched.key}"), ("unknown", "Bearer lgz_" + "s" * 43)):
        httpx.get(f"{watched.url}/v1/methods", headers={"X-Request-ID": id, "Authorization": given})
        assert watched.lines(request_id=id)
    text = watched.said.read_text()
    assert watched.key not in text
    assert "ssss" not in text


def test_machines_that_look_in_all_the_time_leave_no_lines(watched: Watched) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        httpx.get(watched.url + path, headers={"X-Request-ID": "quiet"})
    httpx.get(f"{watched.url}/v1/methods", headers={"X-Request-ID": "loud"})
    assert watched.lines(request_id="loud")
    assert [line for line in watched.lines() if line.get("request_id") == "quiet"] == []


def test_requests_bytes_and_recipes_are_counted_by_route(watched: Watched) -> None:
    before = watched.metrics()
    made = httpx.post(f"{watched.url}/initialize", json={"depth": 4, "seed": 1})
    place = made.headers["content-location"]
    for _ in range(3):
        httpx.get(watched.url + place)
    httpx.head(watched.url + place)
    httpx.get(f"{watched.url}/{'x' * 50}")
    httpx.request("PROPFIND", f"{watched.url}/initialize")
    now = watched.metrics()

    def grown(name: str) -> float:
        return now[name] - before.get(name, 0)

    route = "/v1/descendants/{id}/model.safetensors"
    assert grown(f'learngenes_requests_total{{method="GET",route="{route}",status="200"}}') == 3
    assert grown(f'learngenes_requests_total{{method="HEAD",route="{route}",status="200"}}') == 1
    assert grown(f'learngenes_sent_bytes_total{{route="{route}"}}') == 3 * len(made.content)
    assert grown(f'learngenes_first_byte_seconds_count{{route="{route}"}}') == 3
    assert grown("learngenes_recipes_planned_total") == 1
    assert grown('learngenes_requests_total{method="GET",route="other",status="404"}') == 1
    assert grown('learngenes_requests_total{method="other",route="/initialize",status="405"}') == 1
    assert now["learngenes_requests_open"] == 1  # this one
    assert not any("xxxx" in name or place.split("/")[3] in name for name in now)


def test_a_caller_who_leaves_within_a_request_is_no_failure(watched: Watched) -> None:
    address = urlsplit(watched.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        head = (
            f"POST /initialize HTTP/1.1\r\nHost: {address.netloc}\r\nX-Request-ID: left\r\nContent-Length: 9\r\n\r\n{{"
        )
        connection.sendall(head.encode())
    (line,) = watched.lines(request_id="left")
    assert (line["event"], line["status"]) == ("request", 400)


def test_a_redis_that_is_gone_is_named_and_reading_goes_on(tmp_path: Path, start: Start) -> None:
    factories.catalog(None, factories.learngene(), store=LocalStore(tmp_path / "store"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        gone = f"redis://127.0.0.1:{taken.getsockname()[1]}/0"
        settings = {"LEARNGENES_REDIS_URL": gone, "LEARNGENES_RATE": "1/hour", "LEARNGENES_LOG": "json"}
        with start(tmp_path, settings=settings, log=tmp_path / "log") as service:
            ready = httpx.get(f"{service.url}/readyz")
            assert ready.status_code == 200
            assert ready.json() == {"status": "ready", "learngene": "tiny@1", "store": "ok", "redis": "unreachable"}
            answers = [httpx.post(f"{service.url}/initialize", json={"depth": 3}) for _ in range(3)]
            assert {answer.status_code for answer in answers} == {200}
            assert "ratelimit" not in answers[0].headers
            assert "learngenes_queue_up 0.0" in httpx.get(f"{service.url}/metrics").text
        lines = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert len([line for line in lines if line.startswith("requests are not counted")]) == 1

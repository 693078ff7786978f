from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from learngenes_service.settings import Settings
from learngenes_service.telemetry import logs
from learngenes_service.telemetry.metrics import Metrics
from learngenes_service.telemetry.requests import Telemetry
from learngenes_service.telemetry.stores import CountedStore

from learngenes.errors import BlobExists, BlobNotFound, InvalidKey
from learngenes.store.local import LocalStore
from learngenes.store.memory import MemoryStore


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def said(form: str, tmp_path: Path) -> str:
    out = io.StringIO()
    logs.set_up(Settings(data=tmp_path, store="", log=form), out=out)  # type: ignore[arg-type]
    with structlog.contextvars.bound_contextvars(job_id="j1", request_id="r1"):
        logging.getLogger("learngenes.service").warning("store %s", "full")
        structlog.stdlib.get_logger("learngenes.requests").info("request", path="/a b\n", status=200)
        try:
            secret = "lgz_hidden"
            raise OSError(len(secret))
        except OSError:
            logging.getLogger("uvicorn.error").exception("failed")
    logging.getLogger("some.package").info("done")
    return out.getvalue()


@pytest.mark.parametrize("begun", [False, True])
def test_an_answer_that_the_end_of_the_service_cuts_off_is_no_error(begun: bool) -> None:
    sent: list[Any] = []

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"1", "more_body": True})
        await asyncio.sleep(60)

    async def keep(message: Any) -> None:
        sent.append(message)

    async def ask() -> None:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        asking = asyncio.create_task(Telemetry(endless, Metrics())(scope, None, keep))  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        asking.cancel()
        await asking

    asyncio.run(ask())
    assert [message.get("status") for message in sent] == [200 if begun else 503, None]
    assert sent[-1]["body"] == (b"1" if begun else b"")


@pytest.mark.usefixtures("logging_as_it_was")
def test_every_line_is_json_with_the_ids_it_belongs_to(tmp_path: Path) -> None:
    first, second, third, fourth = map(json.loads, said("json", tmp_path).splitlines())
    assert (first["event"], first["level"], first["logger"]) == ("store full", "warning", "learngenes.service")
    assert (second["event"], second["path"], second["status"]) == ("request", "/a b\n", 200)
    assert "OSError: 10" in third["exception"]
    for line in (first, second, third):
        assert (line["job_id"], line["request_id"]) == ("j1", "r1")
        assert line["timestamp"].endswith("Z")
    assert fourth.keys() == {"event", "level", "logger", "timestamp"}


@pytest.mark.usefixtures("logging_as_it_was")
def test_text_is_a_line_an_event_without_the_values_of_variables(tmp_path: Path) -> None:
    text = said("text", tmp_path)
    assert "lgz_hidden" not in text
    assert "\x1b" not in text
    (line,) = [line for line in text.splitlines() if "status=200" in line]
    assert "path='/a b\\n'" in line
    assert "job_id=j1" in line


def values(metrics: Metrics) -> dict[str, float]:
    lines = [line for line in metrics.text().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_requests_are_counted_by_route_method_and_status() -> None:
    metrics = Metrics()
    metrics.answered(route="/a/{id}", method="GET", status=200, sent=10, first_byte=0.02)
    metrics.answered(route="/a/{id}", method="GET", status=200, sent=5, first_byte=None)
    metrics.answered(route="other", method="BREW", status=405, sent=0, first_byte=None)
    now = values(metrics)
    assert now['learngenes_requests_total{method="GET",route="/a/{id}",status="200"}'] == 2
    assert now['learngenes_requests_total{method="other",route="other",status="405"}'] == 1
    assert now['learngenes_sent_bytes_total{route="/a/{id}"}'] == 15
    assert now['learngenes_first_byte_seconds_bucket{le="0.01",route="/a/{id}"}'] == 0
    assert now['learngenes_first_byte_seconds_bucket{le="0.025",route="/a/{id}"}'] == 1


def test_the_queue_is_looked_at_when_the_numbers_are_read() -> None:
    metrics = Metrics()
    census: dict[str, Any] = {"depth": {"short": 2, "long": 1}, "running": 1, "workers": 1, "heartbeat_age": 3.5}

    def look() -> Mapping[str, Any]:
        if not census:
            raise ConnectionError("no queue there")
        return census

    metrics.jobs(look)
    now = values(metrics)
    assert now['learngenes_queue_depth{queue="short"}'] == 2
    assert (now["learngenes_jobs_running"], now["learngenes_worker_heartbeat_age_seconds"]) == (1, 3.5)
    assert now["learngenes_queue_up"] == 1
    census |= {"workers": 0, "heartbeat_age": None}
    assert "learngenes_worker_heartbeat_age_seconds" not in values(metrics)
    census.clear()
    now = values(metrics)
    assert now["learngenes_queue_up"] == 0
    assert "learngenes_jobs_running" not in now


def test_each_app_counts_for_itself() -> None:
    Metrics().recipes.inc()
    assert values(Metrics())["learngenes_recipes_planned_total"] == 0


def test_a_store_that_fails_is_counted_and_one_that_says_no_is_not(tmp_path: Path) -> None:
    metrics = Metrics()
    store = CountedStore(MemoryStore(), metrics)
    store.create("a/b", [b"1"])
    with pytest.raises(BlobExists):
        store.create("a/b", [b"2"])
    with pytest.raises(BlobNotFound):
        store.read("a/c")
    with pytest.raises(InvalidKey):
        store.open("../a")
    assert (store.read("a/b"), bytes(store.open("a/b")), list(store.keys("a"))) == (b"1", b"1", ["a/b"])
    store.delete("a/b")
    assert not any("store_errors_total" in name for name in values(metrics))

    broken = CountedStore(LocalStore(tmp_path / ("x" * 300)), metrics)
    for fails in (lambda: broken.create("a", [b""]), lambda: broken.read("a"), lambda: broken.open("a")):
        with pytest.raises(OSError, match="name too long"):
            fails()
    now = values(metrics)
    assert [now[f'learngenes_store_errors_total{{operation="{verb}"}}'] for verb in ("create", "read", "open")] == [
        1,
        1,
        1,
    ]

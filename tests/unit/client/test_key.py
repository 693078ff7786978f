"""The key of a service: sent there and nowhere else, never shown; and what a service says to who has none."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from learngenes_client import Client, calls
from learngenes_client.calls import Answer
from learngenes_client.errors import Forbidden, InvalidArgument, TooManyRequests, Unauthorized
from learngenes_client.flows.download import FIRST_WAIT_SECONDS
from learngenes_client.retries import LONGEST_ASKED_SECONDS
from learngenes_client.service import Service
from learngenes_client.transport import Transport
from unit.client import misbehaving as bad
from unit.client.drivers import Driver, fetch
from unit.client.misbehaving import FOLDER, Act, Handler, Server

KEY = "lgz_" + "k" * 43


def problem(status: int, code: str, *, retry_after: str = "", **more: object) -> Act:
    headers = {"Retry_After": retry_after} if retry_after else {}
    body = json.dumps({"code": code, "detail": "no", **more}).encode()
    return lambda handler: handler.send(status, body, **headers)


def test_the_key_goes_with_every_call(server: Server, tmp_path: Path) -> None:
    with Client(server.url, key=KEY, cache=tmp_path, local=False) as client:
        client.fetch_model(depth=9)
    assert len(server.seen) == 3
    assert {seen.headers["authorization"] for seen in server.seen} == {f"Bearer {KEY}"}


def test_the_key_comes_from_the_environment_when_it_is_not_said(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNGENES_KEY", KEY)
    for said, sent in ((None, f"Bearer {KEY}"), ("other", "Bearer other"), ("", None)):
        with Client(server.url, key=said, cache=tmp_path) as client:
            client.describe()
        assert server.seen[-1].headers.get("authorization") == sent


def test_a_redirect_to_another_host_does_not_take_the_key_along(server: Server) -> None:
    with bad.serving() as other:

        def away(handler: Handler) -> None:
            handler.send(307, b"", Location=f"{other.url}{FOLDER}/model.safetensors")

        def within(handler: Handler) -> None:
            handler.send(307, b"", Location=f"{FOLDER}/model.safetensors")

        server.plan = [within, away]
        transport = Transport(Service(server.url, timeout_seconds=5, stall_seconds=5, key=KEY))
        opening = transport.open(calls.download(f"{FOLDER}/model.safetensors", have=0, etag=None))
        assert opening.opened.status == 200
        opening.close()
        transport.close()
        assert [seen.headers.get("authorization") for seen in server.seen] == [f"Bearer {KEY}"] * 2
        assert [seen.headers.get("authorization") for seen in other.seen] == [None]


def test_the_key_is_not_shown(server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.initialize = problem(401, "unauthorized")
    with Client(server.url, key=KEY, cache=tmp_path, local=False) as client, pytest.raises(Unauthorized) as refused:
        client.describe()
    assert KEY not in caplog.text + repr(refused.value) + repr(vars(refused.value)) + repr(client)
    with pytest.raises(InvalidArgument) as wrong:
        Client(server.url, key="two words")
    assert "two words" not in str(wrong.value)


def test_who_may_not_learns_what_is_missing() -> None:
    body = json.dumps({"code": "forbidden", "detail": "no", "scope": "train"}).encode()
    error = calls.refusal(Answer(403, {}, body))
    assert isinstance(error, Forbidden)
    assert error.scope == "train"


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("", 0), ("soon", 0), ("-1", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0)]
)
@pytest.mark.parametrize("body", [b'{"code": "too-many-requests"}', b"<html>a proxy's"])
def test_a_service_asked_too_often_says_for_how_long(header: str, seconds: int, body: bytes) -> None:
    error = calls.refusal(Answer(429, {"retry-after": header} if header else {}, body))
    assert isinstance(error, TooManyRequests)
    assert error.retry_after == seconds


def test_a_download_waits_as_long_as_it_is_told(driver: Driver, server: Server, target: Path) -> None:
    server.plan = [
        problem(429, "too-many-requests", retry_after="7"),
        problem(429, "too-many-requests"),
        problem(429, "too-many-requests", retry_after="86400"),
        problem(503, "starting", retry_after="20"),
    ]
    assert fetch(driver, server, target) == [7, 2 * FIRST_WAIT_SECONDS, LONGEST_ASKED_SECONDS, 20]

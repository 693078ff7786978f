"""The client against a real server on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from learngenes_client import (
    BadAnswer,
    Client,
    IntegrityError,
    InvalidArgument,
    ServiceUnavailable,
    Stalled,
    Unreachable,
    UnsupportedSize,
)
from learngenes_client.transport import ANSWER_BYTES_LIMIT
from unit.client import misbehaving as bad
from unit.client.misbehaving import CONFIG, FOLDER, ID, WEIGHTS, Server


@pytest.fixture
def server() -> Iterator[Server]:
    with bad.serving() as server:
        yield server


def weights_at(cache: Path) -> Path:
    return cache / "descendants" / ID / "model.safetensors"


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Iterator[Client]:
    with Client(
        server.url, cache=tmp_path / "cache", timeout_seconds=5, stall_seconds=5, tries=1, local=False
    ) as client:
        yield client


def test_fetch_model_brings_weights_and_config_and_keeps_them(client: Client, server: Server, tmp_path: Path) -> None:
    model = client.fetch_model(
        9,
        384,
        order=[0, 4, 1],
        layers=[0, 1],
        labels=("cat", "dog"),
        img_size=96,
        patch_size=8,
        in_chans=1,
        pool="avg",
        dtype="f32",
        options={"select": "random"},
    )
    assert model.path == weights_at(tmp_path / "cache")
    assert model.path.read_bytes() == WEIGHTS
    assert model.config == json.loads(CONFIG)
    assert (model.document.id, model.document.depth) == (ID, 9)
    assert json.loads(server.seen[0].body) == {
        "depth": 9,
        "width": 384,
        "labels": ["cat", "dog"],
        "img_size": 96,
        "patch_size": 8,
        "in_chans": 1,
        "pool": "avg",
        "dtype": "f32",
        "order": [0, 4, 1],
        "layers": [0, 1],
        "options": {"select": "random"},
    }
    client.fetch_model(9, 384)
    assert [seen.method for seen in server.seen] == ["POST", "GET", "GET", "POST"]


def test_describe_brings_no_file_and_has_nothing_built(client: Client, server: Server, tmp_path: Path) -> None:
    assert client.describe(depth=9, options={"select": "random"}).id == ID
    assert (server.seen[0].path, server.seen[0].headers["accept"]) == ("/v1/plan", "application/json")
    assert json.loads(server.seen[0].body) == {"depth": 9, "options": {"select": "random"}}
    assert not (tmp_path / "cache").exists()


def test_a_damaged_cache_is_mended(client: Client, server: Server, tmp_path: Path) -> None:
    path = client.fetch_model().path
    path.write_bytes(WEIGHTS[:10])
    client.fetch_model()
    assert path.read_bytes() == WEIGHTS


def test_progress_is_told_of_the_weights_alone(server: Server, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with Client(
        server.url, cache=tmp_path, local=False, progress=lambda done, total: told.append((done, total))
    ) as client:
        client.fetch_model()
    assert told[0] == (0, len(WEIGHTS))
    assert told[-1] == (len(WEIGHTS), len(WEIGHTS))


def test_a_service_below_a_path_is_reached_there(server: Server, tmp_path: Path) -> None:
    with Client(server.url + "/zoo/", cache=tmp_path) as client:
        client.describe()
    assert server.seen[0].path == "/zoo/v1/plan"


def test_an_unsupported_size_is_an_error_that_leads_on(client: Client, server: Server) -> None:
    server.initialize = bad.problem(422, "unsupported-size", nearest={"depth": 12, "width": 384})
    with pytest.raises(UnsupportedSize) as caught:
        client.fetch_model(99, 384)
    assert caught.value.nearest == {"depth": 12, "width": 384}


@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (bad.plain(502), ServiceUnavailable, "502"),
        (lambda handler: handler.send(200, b"[]"), BadAnswer, "object"),
        (lambda handler: handler.send(301, b"", Location="/there"), BadAnswer, "/there"),
        (lambda handler: handler.send(200, bytes(ANSWER_BYTES_LIMIT + 1)), BadAnswer, "longer than"),
        (lambda handler: handler.server.released.wait(5), Stalled, "not a byte for 0.2 seconds"),
    ],
)
def test_a_wrong_answer_to_initialize_is_named(
    server: Server, tmp_path: Path, act: bad.Act, error: type[Exception], text: str
) -> None:
    server.initialize = act
    with (
        Client(server.url, cache=tmp_path, tries=1, timeout_seconds=0.2 if error is Stalled else 5) as client,
        pytest.raises(error, match=text),
    ):
        client.describe()


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host", "http://", "http://host:port", "http://[::1"])
def test_an_address_that_can_not_be_is_refused_at_once(url: str) -> None:
    with pytest.raises(InvalidArgument):
        Client(url)


def test_a_password_in_the_address_is_not_told(server: Server) -> None:
    server.shutdown()
    server.server_close()
    url = server.url.replace("http://", "http://user:secret@")
    with Client(url, tries=1) as client, pytest.raises(Unreachable) as caught:
        client.methods()
    assert "secret" not in str(caught.value)
    assert "http://127.0.0.1:" in str(caught.value)


def test_wrong_bytes_reach_neither_cache_nor_caller(client: Client, server: Server, tmp_path: Path) -> None:
    server.plan = [bad.whole(bytes(len(WEIGHTS)))]
    with pytest.raises(IntegrityError):
        client.fetch_model()
    assert not weights_at(tmp_path / "cache").exists()
    assert client.fetch_model().path.read_bytes() == WEIGHTS
    assert len(server.asked(f"{FOLDER}/config.json")) == 1


@pytest.mark.parametrize("config", [CONFIG[:-1], CONFIG + b" ", bytes([CONFIG[0] ^ 1]) + CONFIG[1:]])
def test_a_config_that_is_not_the_one_promised_is_not_kept(
    client: Client, server: Server, tmp_path: Path, config: bytes
) -> None:
    server.other[f"{FOLDER}/config.json"] = [lambda handler: handler.send(200, config)]
    with pytest.raises(IntegrityError, match=r"config\.json"):
        client.fetch_model()
    assert not (weights_at(tmp_path / "cache").parent / "config.json").exists()
    assert client.fetch_model().config == json.loads(CONFIG)


@pytest.mark.parametrize(
    "asked",
    [{"learngene": "\ud800"}, {"options": {"scale": float("nan")}}, {"options": {"scale": object()}}],
    ids=["no text", "no number", "no JSON"],
)
def test_what_can_not_be_written_down_is_not_sent(client: Client, server: Server, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match="can't be"):
        client.describe(**asked)
    assert server.seen == []


@pytest.mark.parametrize("name", ["a" * 70_000, "a@" + "b" * 70_000])
def test_a_name_that_is_too_long_for_an_address_is_not_sent(client: Client, server: Server, name: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        client.learngene(name)
    assert len(str(caught.value)) < 500 and server.seen == []


def test_a_name_without_a_number_is_asked_for_again(client: Client, server: Server) -> None:
    server.document["learngene"] = "starter"
    for _ in range(2):
        client.fetch_model(depth=9, learngene="starter")
    assert len(server.asked("/initialize")) == 2

"""When nothing is asked: offline, and for what can't have changed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from learngenes_client import AsyncClient, Client, InvalidArgument, Model, Offline
from unit.client import misbehaving as bad
from unit.client.misbehaving import ID, WEIGHTS, Server

SIZE = {"depth": 9, "learngene": "starter@1"}


@pytest.fixture
def fetched(server: Server, tmp_path: Path) -> Model:
    """What was asked for while there was a network."""
    with Client(server.url, cache=tmp_path, local=False) as client:
        model = client.fetch_model(**SIZE)
        client.fetch_model(depth=9)
    server.seen.clear()
    return model


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A socket raises, whoever makes one, and so does looking up a name. An event loop's own pair is made before."""

    def refuse(*arguments: object, **named: object) -> NoReturn:
        raise AssertionError("a socket was opened")

    loop = asyncio.new_event_loop()
    monkeypatch.setattr(asyncio, "new_event_loop", lambda: loop)
    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    yield
    monkeypatch.undo()
    loop.close()


@pytest.mark.parametrize("local", [False, None])
def test_offline_the_cache_answers_what_was_asked_before(
    fetched: Model, server: Server, tmp_path: Path, local: bool | None, no_sockets: None
) -> None:
    with Client(server.url, cache=tmp_path, offline=True, local=local) as client:
        assert client.fetch_model(**SIZE) == fetched
        assert client.fetch_model(depth=9) == fetched
        assert client.fetch_descendant(ID) == fetched
        assert client.describe(**SIZE) == client.descendant(ID) == fetched.document
    assert fetched.path.read_bytes() == WEIGHTS


def test_offline_the_awaited_client_answers_the_same(
    fetched: Model, server: Server, tmp_path: Path, no_sockets: None
) -> None:
    async def go() -> None:
        async with AsyncClient(server.url, cache=tmp_path, offline=True) as client:
            assert await client.fetch_model(**SIZE) == fetched
            with pytest.raises(Offline):
                await client.methods()

    asyncio.new_event_loop().run_until_complete(go())


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.fetch_model(depth=10),
        lambda client: client.fetch_descendant("b" * 64),
        lambda client: client.describe(depth=10),
        lambda client: client.descendant("b" * 64),
        lambda client: client.learngenes(),
        lambda client: client.learngene("starter"),
        lambda client: client.methods(),
        lambda client: client.plan(max_params=10),
        lambda client: client.submit({"kind": "learn", "spec": {}}),
        lambda client: client.job("a"),
        lambda client: client.jobs(),
        lambda client: client.job_log("a"),
        lambda client: next(client.watch("a")),
        lambda client: client.cancel("a"),
        lambda client: client.push("/nowhere", name="a"),
        lambda client: client.alias("a", "stable", 1),
        lambda client: client.yank("a@1", "because"),
        lambda client: client.unyank("a@1"),
    ],
)
def test_offline_what_the_cache_lacks_is_one_sentence(
    server: Server, tmp_path: Path, no_sockets: None, ask: Callable[[Client], Any]
) -> None:
    with Client(server.url, cache=tmp_path, offline=True) as client, pytest.raises(Offline, match="offline") as caught:
        ask(client)
    assert "\n" not in str(caught.value)


def test_the_environment_can_keep_off_the_network(
    fetched: Model, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, asked in (("1", 0), ("true", 0), ("0", 1), ("", 2)):
        monkeypatch.setenv("LEARNGENES_OFFLINE", value)
        with Client(server.url, cache=tmp_path, local=False) as client:
            client.fetch_model(depth=9)
        assert len(server.seen) == asked
    with Client(server.url, cache=tmp_path, offline=True) as client:
        client.fetch_model(depth=9)
    monkeypatch.setenv("LEARNGENES_OFFLINE", "perhaps")
    with pytest.raises(InvalidArgument, match="1 or 0"):
        Client(server.url)


def test_what_is_pinned_and_in_the_cache_asks_nothing(fetched: Model, server: Server, tmp_path: Path) -> None:
    with Client(server.url, cache=tmp_path, local=False) as client:
        assert client.fetch_model(**SIZE) == client.fetch_descendant(ID) == fetched
        assert server.seen == []
        client.fetch_model(depth=9)  # a plain name may mean another version by now
        client.fetch_model(depth=9, learngene="starter@2")  # answered with starter@1: a fitted one stands in for it
        client.fetch_model(depth=9, learngene="starter@2")
        assert [seen.path for seen in server.seen] == ["/initialize"] * 3


def test_another_service_may_mean_something_else(fetched: Model, tmp_path: Path) -> None:
    with bad.serving() as other, Client(other.url, cache=tmp_path, local=False) as client:
        client.fetch_model(**SIZE)
        assert [seen.path for seen in other.seen] == ["/initialize"]


def test_pinned_but_no_longer_whole_is_fetched_again(fetched: Model, server: Server, tmp_path: Path) -> None:
    fetched.path.unlink()
    with Client(server.url, cache=tmp_path, local=False) as client:
        assert client.fetch_model(**SIZE).path.read_bytes() == WEIGHTS
    assert len(server.ranges) == 1

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cases import checkpoints
from fastapi import Request
from learngenes_service.problems import Refusal
from learngenes_service.publishing import receiving
from learngenes_service.publishing.receiving import length, receive
from learngenes_service.publishing.staging import Staging
from starlette.requests import ClientDisconnect

from learngenes.store.memory import MemoryStore

RAW = checkpoints.raw()
Pieces = Callable[[], AsyncIterator[bytes | None]]


def request(pieces: Pieces, **headers: str) -> Request:
    """A request whose body comes like this; None: the connection ended."""
    coming = pieces()

    async def next_message() -> dict[str, Any]:
        piece = await anext(coming, b"")
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "PUT", "path": "/", "headers": raw}, next_message)


def received(pieces: Pieces, tmp_path: Path) -> bytes:
    """What of it is staged; nothing may be left where it came in."""
    staging = Staging(MemoryStore(), tmp_path, most_bytes=10**9)

    async def run() -> None:
        with staging.coming(len(RAW), "0" * 16) as upload:
            await receive(request(pieces), upload, size=len(RAW))
            upload.keep(checkpoints.sha256(RAW))

    try:
        asyncio.run(run())
    finally:
        assert list(tmp_path.iterdir()) == []
    found = staging.open(staging.all()[0])
    assert found is not None
    return bytes(found.view)


@pytest.mark.parametrize("size", [1 << 10, 1 << 16, 1 << 21])
def test_a_body_is_written_down_as_it_comes(tmp_path: Path, size: int) -> None:
    async def pieces() -> AsyncIterator[bytes | None]:
        for at in range(0, len(RAW), size):
            yield RAW[at : at + size]

    assert received(pieces, tmp_path) == RAW


def test_a_body_that_ends_early_is_none(tmp_path: Path) -> None:
    async def gone() -> AsyncIterator[bytes | None]:
        yield RAW[:1000]
        yield None

    async def short() -> AsyncIterator[bytes | None]:
        yield RAW[:-1]

    for pieces in (gone, short):
        with pytest.raises(ClientDisconnect):
            received(pieces, tmp_path)


def test_who_sends_nothing_or_next_to_nothing_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent() -> AsyncIterator[bytes | None]:
        yield RAW[:1000]
        await asyncio.sleep(30)

    async def slow() -> AsyncIterator[bytes | None]:
        while True:
            yield b"x"
            await asyncio.sleep(0.02)

    async def slow_after_a_fast_start() -> AsyncIterator[bytes | None]:
        yield RAW[: len(RAW) // 2]
        while True:
            yield b"x"
            await asyncio.sleep(0.02)

    monkeypatch.setattr(receiving, "SILENCE_SECONDS", 0.1)
    for pieces in (silent, slow, slow_after_a_fast_start):
        with pytest.raises(Refusal) as error:
            received(pieces, tmp_path)
        assert error.value.response.status_code == 408
        assert json.loads(bytes(error.value.response.body))["code"] == "too-slow"


def test_no_upload_takes_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fast_enough() -> AsyncIterator[bytes | None]:
        while True:
            yield bytes(1000)
            await asyncio.sleep(0.02)

    monkeypatch.setattr(receiving, "MOST_SECONDS", 0.2)
    with pytest.raises(Refusal, match=r"the most there are") as error:
        received(fast_enough, tmp_path)
    assert error.value.response.headers["connection"] == "close"


@pytest.mark.parametrize("given", ["", "-1", "1.5", "x", "9" * 30, "٣"])
def test_a_length_that_is_none_is_asked_for(given: str) -> None:
    async def nothing() -> AsyncIterator[bytes | None]:
        yield b""

    headers = {"content_length": given} if given.isascii() else {}
    with pytest.raises(Refusal) as error:
        length(request(nothing, **headers), most=10)
    assert error.value.response.status_code == 411
    assert length(request(nothing, content_length="10"), most=10) == 10
    with pytest.raises(Refusal) as error:
        length(request(nothing, content_length="11"), most=10)
    assert error.value.response.status_code == 413

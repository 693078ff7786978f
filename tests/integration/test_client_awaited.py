"""What only the awaited client has to get right: tasks that share a loop, and tasks that are cancelled."""

from __future__ import annotations

import asyncio
import fcntl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from learngenes_client import AsyncClient
from learngenes_client.driving import _in_thread
from unit.client import misbehaving as bad
from unit.client.misbehaving import ID, WEIGHTS, Server


@pytest.fixture
def server() -> Iterator[Server]:
    with bad.serving() as server:
        yield server


def awaited(server: Server, cache: Path) -> AsyncClient:
    return AsyncClient(server.url, cache=cache, local=False, tries=1)


def test_tasks_that_want_the_same_file_ask_for_it_once(server: Server, tmp_path: Path) -> None:
    async def go() -> None:
        async with awaited(server, tmp_path) as client:
            models = await asyncio.gather(*(client.fetch_model(depth=9) for _ in range(8)))
        assert {model.path.read_bytes() for model in models} == {WEIGHTS}

    asyncio.run(go())
    assert server.ranges == [None]


def test_a_cancelled_download_leaves_what_came_and_lets_the_next_one_on(server: Server, tmp_path: Path) -> None:
    server.plan = [bad.stall(100_000)]
    folder = tmp_path / "descendants" / ID
    part = folder / "model.safetensors.part"

    async def go() -> None:
        async with awaited(server, tmp_path) as client:
            task = asyncio.create_task(client.fetch_model(depth=9))
            while not (part.exists() and part.stat().st_size >= 90_000):
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            model = await client.fetch_model(depth=9)
            assert model.path.read_bytes() == WEIGHTS

    asyncio.run(go())
    assert len(server.ranges) == 2
    assert server.ranges[1] is not None
    assert {path.name for path in folder.iterdir()} == {"model.safetensors", "config.json", "document.json"}


def test_the_loop_goes_on_while_a_file_that_another_holds_is_waited_for(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "descendants" / ID / "model.safetensors.part"
    part.parent.mkdir(parents=True)

    async def go() -> float:
        async with awaited(server, tmp_path) as client:
            with part.open("wb") as held:
                fcntl.flock(held, fcntl.LOCK_EX)
                task = asyncio.create_task(client.fetch_model(depth=9))
                longest, began = 0.0, time.monotonic()
                while (last := time.monotonic()) - began < 0.5:
                    await asyncio.sleep(0.005)
                    longest = max(longest, time.monotonic() - last)
                assert not task.done() and server.seen and server.ranges == []
            assert (await task).path.read_bytes() == WEIGHTS
        return longest

    assert asyncio.run(go()) < 0.4


@pytest.mark.parametrize("times", [1, 2, 4])
def test_who_is_cancelled_in_the_middle_of_work_waits_for_its_end(times: int) -> None:
    done = threading.Event()

    def work() -> None:
        time.sleep(0.2)
        done.set()

    async def go() -> None:
        task = asyncio.create_task(_in_thread(work))
        for _ in range(times):
            await asyncio.sleep(0.02)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done.is_set()

    asyncio.run(go())


@pytest.mark.parametrize("cancelled", [False, True])
def test_work_that_fails_says_so_to_who_still_waits_for_it(cancelled: bool) -> None:
    def fail() -> None:
        time.sleep(0.05)
        raise OSError("no disk")

    async def go() -> None:
        task = asyncio.create_task(_in_thread(fail))
        await asyncio.sleep(0.01)
        if cancelled:
            task.cancel()
        with pytest.raises(asyncio.CancelledError if cancelled else OSError):
            await task

    asyncio.run(go())

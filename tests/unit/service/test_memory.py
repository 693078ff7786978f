"""sha256 of weights: read in turns, once for all who wait, and no further once nobody does."""

from __future__ import annotations

import asyncio
import hashlib
import time

import factories
import pytest
from learngenes_service import memory as memories
from learngenes_service.memory import Memory
from learngenes_service.telemetry.metrics import Metrics

from learngenes.initialize import Request
from learngenes.stream import stream


@pytest.fixture
def memory() -> Memory:
    return Memory(factories.catalog(None, factories.learngene(stages=(1,), width=512, heads=8)), Metrics())


async def descendant(memory: Memory, depth: int) -> memories.Descendant:
    return await memory.initialize(memory.catalog.get("tiny"), Request(depth=depth), among=memory.catalog)


def test_a_small_file_is_read_between_the_turns_of_a_large_one(memory: Memory) -> None:
    async def ask() -> None:
        large, small = await descendant(memory, 512), await descendant(memory, 1)
        waiting = asyncio.create_task(memory.sha256(large))
        await asyncio.sleep(2 * memories.TURN_SECONDS)
        assert await memory.sha256(small) == hashlib.sha256(b"".join(stream(small.file))).hexdigest()
        assert not waiting.done()
        waiting.cancel()

    asyncio.run(ask())


def test_all_who_wait_get_one_reading_and_the_last_who_leaves_ends_it(memory: Memory) -> None:
    async def ask() -> None:
        large = await descendant(memory, 512)
        first, second = (asyncio.create_task(memory.sha256(large)) for _ in range(2))
        await asyncio.sleep(0.05)
        (reading,) = memory._readings.values()
        first.cancel()
        await asyncio.sleep(0.05)
        assert not reading.task.done()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        assert not memory._readings
        begun = time.monotonic()
        await asyncio.get_running_loop().run_in_executor(memory._hasher, lambda: None)
        assert time.monotonic() - begun < 2
        assert reading.task.cancelled()
        assert list(memory.catalog.store.keys("digests")) == []

    asyncio.run(ask())


def test_who_comes_after_all_have_left_gets_a_reading_of_their_own(memory: Memory) -> None:
    async def ask() -> None:
        one = await descendant(memory, 8)
        left = asyncio.create_task(memory.sha256(one))
        await asyncio.sleep(0)
        left.cancel()
        assert await memory.sha256(one) == hashlib.sha256(b"".join(stream(one.file))).hexdigest()
        assert len(list(memory.catalog.store.keys("digests"))) == 1

    asyncio.run(ask())

"""The true sha256 of weights: soon if that can be, in the end in any case, and never for too many at once."""

from __future__ import annotations

import asyncio
import hashlib
import threading

import factories
import pytest
from learngenes_service.access.private import Marks, PublicCatalog
from learngenes_service.headers import Answer
from learngenes_service.hub import digests
from learngenes_service.hub.digests import MOST_AWAITED, STARTED, Digests
from learngenes_service.hub.refusals import Refused
from learngenes_service.memory import Descendant, Memory
from learngenes_service.state import Library, Shelf
from learngenes_service.telemetry.metrics import Metrics

from learngenes.initialize import Request
from learngenes.stream import stream


class Busy:
    """A shelf whose hashing thread has other work until it is let go."""

    def __init__(self) -> None:
        catalog = factories.catalog(None, factories.learngene())
        self.memory = Memory(catalog, Metrics())
        marks = Marks(catalog)
        library = Library(self.memory, marks, PublicCatalog(catalog, marks), "tiny")
        self.shelf = Shelf(library, sees_private=False, answer=Answer())
        self.free = threading.Event()
        self.memory._hasher.submit(self.free.wait, 30)

    async def descendant(self, depth: int) -> Descendant:
        return await self.shelf.initialize(await self.shelf.manifest("tiny"), Request(depth=depth))

    def read(self) -> int:
        """How many files were read whole."""
        return len(list(self.memory.catalog.store.keys("digests")))


def sha256(descendant: Descendant) -> str:
    return hashlib.sha256(b"".join(stream(descendant.file))).hexdigest()


def test_who_can_not_wait_gets_no_digest_and_later_the_true_one() -> None:
    async def ask() -> None:
        busy, known = Busy(), Digests()
        one = await busy.descendant(3)
        assert await known.soon(one, busy.shelf, seconds=0.05) is None
        waiting = asyncio.create_task(known.true(one, busy.shelf))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        busy.free.set()
        assert await waiting == sha256(one)
        assert await known.soon(one, busy.shelf, seconds=5) == sha256(one)
        # Another replica, or the same after a restart, finds it in the store.
        busy.free.clear()
        busy.memory._hasher.submit(busy.free.wait, 30)
        assert await Digests().soon(one, busy.shelf, seconds=5) == sha256(one)
        assert await Digests().true(one, busy.shelf) == sha256(one)
        busy.free.set()

    asyncio.run(ask())


def test_looking_at_many_addresses_computes_few_digests_and_waiting_for_one_computes_it() -> None:
    async def ask() -> None:
        busy, known = Busy(), Digests()
        found = [await busy.descendant(depth) for depth in range(1, STARTED + 3)]
        asked = await asyncio.gather(*(known.soon(one, busy.shelf, seconds=0.05) for one in found))
        assert set(asked) == {None}
        assert len(known._open) == STARTED
        last = asyncio.create_task(known.true(found[-1], busy.shelf))
        busy.free.set()
        assert await last == sha256(found[-1])
        # Nobody waited for these, and yet they were computed: who asked once asks again.
        assert busy.read() == STARTED + 1

    asyncio.run(ask())


def test_a_large_file_is_read_for_who_waits_and_not_for_who_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "LOOKED_AT_BYTES", 1000)

    async def ask() -> None:
        busy, known = Busy(), Digests()
        busy.free.set()
        one = await busy.descendant(3)
        assert one.file.size > 1000
        assert await known.soon(one, busy.shelf, seconds=5) is None
        assert (len(known._open), busy.read()) == (0, 0)
        assert await known.true(one, busy.shelf) == sha256(one)
        assert await known.soon(one, busy.shelf, seconds=5) == sha256(one)

    asyncio.run(ask())


def test_a_digest_that_nobody_waits_for_any_more_is_not_computed() -> None:
    async def ask() -> None:
        busy, known = Busy(), Digests()
        found = [await busy.descendant(depth) for depth in range(1, 32)]
        waiting = [asyncio.create_task(known.true(one, busy.shelf)) for one in found]
        await asyncio.sleep(0.05)
        for task in waiting[:-1]:
            task.cancel()
        await asyncio.sleep(0.05)
        assert len(known._open) == 1  # what had begun is put down too
        busy.free.set()
        assert await waiting[-1] == sha256(found[-1])
        assert busy.read() == 1
        # Whoever comes again gets it all the same.
        assert await known.true(found[1], busy.shelf) == sha256(found[1])

    asyncio.run(ask())


def test_one_of_two_who_wait_may_leave() -> None:
    async def ask() -> None:
        busy, known = Busy(), Digests()
        first, second = await busy.descendant(1), await busy.descendant(2)
        ahead = asyncio.create_task(known.true(first, busy.shelf))
        leaves, stays = (asyncio.create_task(known.true(second, busy.shelf)) for _ in range(2))
        await asyncio.sleep(0.05)
        leaves.cancel()
        await asyncio.sleep(0.05)
        busy.free.set()
        assert (await ahead, await stays) == (sha256(first), sha256(second))

    asyncio.run(ask())


def test_too_many_who_wait_are_told_to_come_again() -> None:
    async def ask() -> None:
        busy, known = Busy(), Digests()
        found = [await busy.descendant(depth) for depth in range(1, MOST_AWAITED + 2)]
        waiting = [asyncio.create_task(known.true(one, busy.shelf)) for one in found[:-1]]
        await asyncio.sleep(0.2)
        with pytest.raises(Refused, match="ask again in 10 seconds") as refused:
            await known.true(found[-1], busy.shelf)
        assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "10"})
        busy.free.set()
        assert await waiting[-1] == sha256(found[-2])
        assert await known.true(found[-1], busy.shelf) == sha256(found[-1])

    asyncio.run(ask())

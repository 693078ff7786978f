"""The true sha256 of weights, at hand or awaited; how much is read at once for those who ask is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from learngenes.recent import Recent
from learngenes_service.hub.shared import Shared
from learngenes_service.memory import Descendant
from learngenes_service.state import Shelf

STARTED = 4
"""Whoever only looks at many addresses must not queue gigabytes to be read for each."""

LOOKED_AT_BYTES = 4 << 30
"""What is larger is read only while somebody waits for its sha256, not for who looked at its address once."""

MOST_AWAITED = 64
KEPT = 20_000


class Digests:
    """sha256 by the recipe's digest, remembered: HEAD asks the store once. Changes on the event loop alone."""

    def __init__(self) -> None:
        self._kept: Recent[str, str] = Recent(KEPT, weight=KEPT)
        self._open: Shared[str, str] = Shared(at_once=STARTED, most=MOST_AWAITED, breaks_off=True)

    async def soon(self, descendant: Descendant, shelf: Shelf, *, seconds: float) -> str | None:
        """The sha256 if it is known or takes so long at most; else it goes on being computed, if there is room."""
        id, work = descendant.file.id, self._work(descendant, shelf)
        known = await self._known(id, shelf)
        if known is not None:
            return known
        if id not in self._open:
            if len(self._open) >= STARTED or descendant.file.size > LOOKED_AT_BYTES:
                return None
            self._open.start(id, work)
        try:
            return await asyncio.wait_for(self._open.wait(id, work), seconds)
        except TimeoutError:
            return None

    async def true(self, descendant: Descendant, shelf: Shelf) -> str:
        """The sha256, however long it takes; Refused if too many wait already."""
        id = descendant.file.id
        return await self._known(id, shelf) or await self._open.wait(id, self._work(descendant, shelf))

    async def _known(self, id: str, shelf: Shelf) -> str | None:
        known = self._kept.get(id)
        if known is None and id not in self._open:
            known = await asyncio.to_thread(shelf.known_sha256, id)
            if known is not None:
                self._kept.put(id, known)
        return known

    def _work(self, descendant: Descendant, shelf: Shelf) -> Callable[[], Awaitable[str]]:
        async def compute() -> str:
            sha256 = await shelf.sha256(descendant)
            self._kept.put(descendant.file.id, sha256)
            return sha256

        return compute

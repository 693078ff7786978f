"""The client whose methods are awaited."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from learngenes_client.cache import Cache
from learngenes_client.driving import Awaited, Awaiting, async_iterated, awaited
from learngenes_client.flows import asking, fetching, publishing
from learngenes_client.flows import jobs as following
from learngenes_client.progress import Progress
from learngenes_client.retries import TRIES
from learngenes_client.setting_up import set_up


class AsyncClient(Awaited):
    """One service and one cache, for asyncio: the same names, arguments and results as Client, see there.

        async with AsyncClient("http://127.0.0.1:8000") as client:
            model = await client.fetch_model(depth=9, width=384)

    `watch` is iterated over with `async for`. Files are hashed, locked and built in threads, so the event loop goes on;
    `progress` may be called from one of them. A call that is cancelled leaves what has come for the next.
    """

    def __init__(
        self,
        base_url: str,
        *,
        cache: Path | str | None = None,
        key: str | None = None,
        timeout_seconds: float = 30,
        stall_seconds: float = 30,
        tries: int = TRIES,
        offline: bool | None = None,
        local: bool | None = None,
        progress: Progress | None = None,
    ) -> None:
        service, session = set_up(
            base_url,
            cache=cache,
            key=key,
            timeout_seconds=timeout_seconds,
            stall_seconds=stall_seconds,
            tries=tries,
            offline=offline,
            local=local,
            progress=progress,
            environment=os.environ,
        )
        from learngenes_client.transport import AsyncTransport  # here, so that importing us does not import httpx

        self._transport = AsyncTransport(service)
        self._driver = Awaiting(session, self._transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()

    @property
    def cache(self) -> Cache:
        """For learngenes_client.inventory: ls, verify and prune."""
        return self._driver.session.cache

    fetch_model = awaited(fetching.fetch_model)
    fetch_descendant = awaited(fetching.fetch_descendant)
    describe = awaited(fetching.describe)
    descendant = awaited(fetching.descendant)
    plan = awaited(asking.plan)
    learngenes = awaited(asking.learngenes)
    learngene = awaited(asking.learngene)
    methods = awaited(asking.methods)
    submit = awaited(following.submit)
    job = awaited(following.job)
    job_log = awaited(following.job_log)
    jobs = awaited(following.jobs)
    cancel = awaited(following.cancel)
    watch = async_iterated(following.watch)
    push = awaited(publishing.push)
    alias = awaited(publishing.alias)
    yank = awaited(publishing.yank)
    unyank = awaited(publishing.unyank)

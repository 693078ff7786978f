"""The client that waits."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from learngenes_client.cache import Cache
from learngenes_client.driving import Driven, Waiting, driven, iterated
from learngenes_client.flows import asking, fetching, publishing
from learngenes_client.flows import jobs as following
from learngenes_client.progress import Progress
from learngenes_client.retries import TRIES
from learngenes_client.setting_up import set_up


class Client(Driven):
    """One service and one cache.

        with Client("http://127.0.0.1:8000") as client:
            network = client.fetch_model(depth=9, width=384).to_timm()

    cache: a folder; else LEARNGENES_CACHE, else the system's place for caches.
    key: of the service, if it asks for one; else LEARNGENES_KEY. It is sent to the service alone.
    timeout_seconds: for connecting, and for each silence in a document's answer.
    stall_seconds: for each silence while a file arrives.
    tries: of a call that found nobody or a busy service; 1 asks once.
    offline: no socket is opened, the cache answers or Offline is raised; else LEARNGENES_OFFLINE.
    local: descendants are built on this machine from a learngene that is fetched once; None where the library is
    installed and it saves bytes. MissingPackage if True and it is not installed.
    progress: called with (done_bytes, total_bytes) of the weights; without it a tqdm bar is
    shown if stderr is a terminal and tqdm is installed.

    Safe to use from several threads, and several processes may share a cache. Every method may raise
    ServiceError (it said no), NetworkError (nothing whole came), Offline or BadAnswer (not our protocol).
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
        from learngenes_client.transport import Transport  # here, so that importing us does not import httpx

        self._transport = Transport(service)
        self._driver = Waiting(session, self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    @property
    def cache(self) -> Cache:
        """For learngenes_client.inventory: ls, verify and prune."""
        return self._driver.session.cache

    fetch_model = driven(fetching.fetch_model)
    fetch_descendant = driven(fetching.fetch_descendant)
    describe = driven(fetching.describe)
    descendant = driven(fetching.descendant)
    plan = driven(asking.plan)
    learngenes = driven(asking.learngenes)
    learngene = driven(asking.learngene)
    methods = driven(asking.methods)
    submit = driven(following.submit)
    job = driven(following.job)
    job_log = driven(following.job_log)
    jobs = driven(following.jobs)
    cancel = driven(following.cancel)
    watch = iterated(following.watch)
    push = driven(publishing.push)
    alias = driven(publishing.alias)
    yank = driven(publishing.yank)
    unyank = driven(publishing.unyank)

"""Both drivers of flows behind one face, so that a test runs on either; nothing really sleeps."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from learngenes_client.cache import Cache
from learngenes_client.driving import Awaiting, Waiting
from learngenes_client.effects import Flow
from learngenes_client.flows.download import fetch_file
from learngenes_client.flows.session import Session
from learngenes_client.models import RemoteFile
from learngenes_client.service import Service
from learngenes_client.transport import AsyncTransport, Transport
from unit.client.misbehaving import FOLDER, ID, WEIGHTS, Server

T = TypeVar("T")
SESSION = Session(address="", cache=Cache(Path("/nowhere")), local=False)


@dataclass
class Driver:
    """waits: the seconds that were slept."""

    awaits: bool
    waits: list[float] = field(default_factory=list)

    def run(
        self, url: str, flow: Flow[T], *, stall_seconds: float = 5, timeout_seconds: float = 5, tries: int = 1
    ) -> T:
        """The flow's result."""
        service = Service(url, timeout_seconds, stall_seconds, tries=tries)
        if self.awaits:
            return asyncio.run(self._await(service, lambda driver: driver.run(flow)))
        transport = Transport(service)
        try:
            return Waiting(SESSION, transport, sleep=self.waits.append).run(flow)
        finally:
            transport.close()

    def take(self, url: str, flow: Flow[None], *, most: int = 10**9, stall_seconds: float = 5) -> list[Any]:
        """The first values that the flow emits; then nobody listens any more."""
        service = Service(url, timeout_seconds=5, stall_seconds=stall_seconds, tries=1)
        if self.awaits:
            return asyncio.run(self._await(service, lambda driver: _first(driver, flow, most)))
        transport = Transport(service)
        try:
            found: list[Any] = []
            values = Waiting(SESSION, transport, sleep=self.waits.append).iterate(flow)
            for value in values:
                found.append(value)
                if len(found) == most:
                    break
            values.close()  # type: ignore[attr-defined]
            return found
        finally:
            transport.close()

    async def _await(self, service: Service, use: Callable[[Awaiting], Any]) -> Any:
        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)

        transport = AsyncTransport(service)
        try:
            return await use(Awaiting(SESSION, transport, sleep=sleep))
        finally:
            await transport.close()


async def _first(driver: Awaiting, flow: Flow[None], most: int) -> list[Any]:
    found: list[Any] = []
    values = driver.iterate(flow)
    async for value in values:
        found.append(value)
        if len(found) == most:
            break
    await values.aclose()  # type: ignore[attr-defined]
    return found


FILE = RemoteFile("model.safetensors", len(WEIGHTS), hashlib.sha256(WEIGHTS).hexdigest(), f"{FOLDER}/model.safetensors")
NO_DIGEST = dataclasses.replace(FILE, sha256=None)


def fetch(
    driver: Driver, server: Server, target: Path, file: RemoteFile = FILE, *, stall_seconds: float = 5
) -> list[float]:
    """How long it waited before each further try; it did not really wait."""
    driver.run(server.url, fetch_file(file, target), stall_seconds=stall_seconds)
    return driver.waits


def left_behind(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()}


def leave_part(target: Path, content: bytes, etag: str = f'"{ID}"') -> None:
    target.with_name("model.safetensors.part").write_bytes(content)
    target.with_name("model.safetensors.part.etag").write_text(etag)

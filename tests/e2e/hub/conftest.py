"""The starter behind a service that writes its requests down; and a zoo of tiny learngenes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from e2e.hub.harness import Requests
from e2e.hub.tiny import STARTER, Start, fill
from learngenes_service.access.keys import Keys

from learngenes.store.local import LocalStore


@dataclass
class Zoo:
    """url: of the service; requests: what is asked of it; restart: end it, start it again at the same address."""

    url: str
    requests: Requests
    restart: Callable[[], None]


@pytest.fixture(scope="module")
def zoo(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    data = tmp_path_factory.mktemp("zoo")
    log = data / "log"
    settings = {"LEARNGENES_LOG": "json"}
    running = start(data, default=STARTER, settings=settings, log=log)
    service = running.__enter__()
    port = int(service.url.rsplit(":", 1)[1])

    def restart() -> None:
        nonlocal running
        running.__exit__(None, None, None)
        running = start(data, default=STARTER, settings=settings, log=log, port=port)
        made.requests = Requests(running.__enter__().url, log)

    made = Zoo(service.url, Requests(service.url, log), restart)
    yield made
    running.__exit__(None, None, None)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("hub")
    fill(data)
    return data


@pytest.fixture(scope="session")
def key(data: Path) -> str:
    return Keys(LocalStore(data / "store")).add("reader", "read", at=datetime.now(UTC))


@pytest.fixture(scope="session")
def log(data: Path) -> Path:
    return data / "log"


@pytest.fixture(scope="session")
def hub(data: Path, key: str, log: Path, start: Start) -> Iterator[httpx.Client]:
    with (
        start(data, settings={"LEARNGENES_ANONYMOUS": "read"}, log=log) as service,
        httpx.Client(base_url=service.url, timeout=60) as client,
    ):
        yield client

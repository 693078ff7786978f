"""A service that takes what is pushed, and callers of each scope."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import factories
import httpx
import pytest
from cases.publishing import Start, client
from learngenes_service.access.keys import Keys

from learngenes.store.local import LocalStore


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    data = tmp_path_factory.mktemp("publishing")
    store = LocalStore(data / "store")
    factories.catalog(None, factories.learngene(), store=store)
    made = Keys(store)
    return data, {scope: made.add(scope, scope, at=datetime.now(UTC)) for scope in ("read", "train", "admin")}


@pytest.fixture(scope="session")
def service(keys: tuple[Path, dict[str, str]], start: Start) -> Iterator[Any]:
    settings = {"LEARNGENES_ANONYMOUS": "read", "LEARNGENES_UPLOAD_BYTES": "4M", "LEARNGENES_BODY_BYTES": "100K"}
    with start(keys[0], settings=settings) as running:
        yield running


@pytest.fixture(scope="session")
def train(service: Any, keys: tuple[Path, dict[str, str]]) -> Iterator[httpx.Client]:
    with client(service, keys[1]["train"]) as made:
        yield made


@pytest.fixture(scope="session")
def admin(service: Any, keys: tuple[Path, dict[str, str]]) -> Iterator[httpx.Client]:
    with client(service, keys[1]["admin"]) as made:
        yield made

"""A server that misbehaves as told, and both drivers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.client import misbehaving
from unit.client.drivers import Driver
from unit.client.misbehaving import Server


@pytest.fixture
def server() -> Iterator[Server]:
    with misbehaving.serving() as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


@pytest.fixture(params=[False, True], ids=["waiting", "awaiting"])
def driver(request: pytest.FixtureRequest) -> Driver:
    return Driver(request.param)

"""A file of 25 GB whose sha256 somebody wants: nobody else waits for that, and the service ends all the same."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import factories
import httpx
import pytest

from learngenes.store.local import LocalStore

Start = Callable[..., AbstractContextManager[Any]]
LARGE = {"depth": 512}
JSON = {"accept": "application/json"}


@pytest.fixture
def service(start: Start, tmp_path: Path) -> Iterator[Any]:
    one = factories.learngene(stages=(1,), width=1024, heads=16)
    factories.catalog(None, one, store=LocalStore(tmp_path / "store"))
    with start(tmp_path, log=tmp_path / "log") as service:
        yield service


def test_small_files_take_their_turn_beside_a_large_one_and_the_service_ends(service: Any, tmp_path: Path) -> None:
    with httpx.Client(base_url=service.url, headers=JSON) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post("/initialize", json=LARGE, timeout=1)
        with httpx.Client() as other, pytest.raises(httpx.ReadTimeout):
            other.post(f"{service.url}/initialize", json=LARGE, headers=JSON, timeout=0.5)
        files = {file["name"]: file for file in client.post("/initialize", json={"depth": 1}).json()["files"]}
        assert len(files["model.safetensors"]["sha256"]) == 64
    # Nobody waits any more, so nothing is read any more.
    ticks = _ticks(service.process.pid)
    time.sleep(1)
    assert _ticks(service.process.pid) - ticks < 30
    with httpx.Client() as waits, pytest.raises(httpx.ReadTimeout):
        waits.post(f"{service.url}/initialize", json=LARGE, headers=JSON, timeout=0.5)
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(5) in (0, -signal.SIGINT)
    assert "Traceback" not in (tmp_path / "log").read_text()


def _ticks(pid: int) -> int:
    """Hundredths of a second that a process had of the cores."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])

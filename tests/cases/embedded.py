"""A service with the queue that comes with it, started as a user would, and what to ask of it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import factories
from learngenes_service.embedded import locks, server
from redis import Redis
from redis.exceptions import RedisError

from learngenes.store.local import LocalStore


@dataclass
class Launched:
    """A service and what it says; in a process group of its own, as a terminal would start it."""

    process: subprocess.Popen[str]
    data: Path
    said: Path

    @property
    def redis(self) -> Redis:
        return Redis(unix_socket_path=str(server.socket_of(self.data)))

    @property
    def server_pid(self) -> int:
        return int(cast("dict[str, Any]", self.redis.info("server"))["process_id"])

    @property
    def url(self) -> str:
        return until(lambda: (found := re.search(r"ready at (http://\S+)", self.said.read_text())) and found[1])

    def ready(self) -> Launched:
        assert urllib.request.urlopen(f"{self.url}/readyz", timeout=10).status == 200
        until(lambda: server.answers(server.socket_of(self.data)))
        return self

    def says(self, text: str) -> None:
        until(lambda: text in self.said.read_text(), otherwise=self.said.read_text)

    def leave(self, number: int = signal.SIGINT) -> int:
        """Its exit code after a signal to its whole group."""
        os.killpg(self.process.pid, number)
        return self.process.wait(30)


Launch = Callable[..., Launched]


@contextlib.contextmanager
def launching(tmp_path: Path) -> Iterator[Launch]:
    """`launch(data, ...)`; whatever the test leaves running is killed."""
    launched: list[Launched] = []
    empty = tmp_path / "empty"
    empty.mkdir()

    def start(data: Path = tmp_path / "data", *, path: Path = empty, **variables: str) -> Launched:
        if not data.exists():
            factories.catalog(None, factories.learngene(), store=LocalStore(data / "store"))
        environment = {
            "PATH": str(path),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "LEARNGENES_DATA": str(data),
            "LEARNGENES_DEFAULT": "tiny",
            "LEARNGENES_STARTER": "0",
            "LEARNGENES_PORT": "0",
            "LEARNGENES_WORKERS": "0",
        }
        said = tmp_path / f"said-{len(launched)}"
        with said.open("w") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "learngenes_service"],
                env=environment | variables,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        launched.append(Launched(process, data, said))
        return launched[-1]

    try:
        yield start
    finally:
        for one in launched:
            kill(one.process.pid)
            one.process.wait()
            for lock in (*one.data.glob(locks.worker("*")), one.data / locks.SERVER):
                kill(lock.exists() and locks.holder(lock))


def kill(pid: int | None) -> None:
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def until(holds: Callable[[], Any], *, seconds: float = 20, otherwise: Callable[[], str] = lambda: "") -> Any:
    """What `holds` answers as soon as that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(RedisError):
            if found := holds():
                return found
        time.sleep(0.02)
    raise AssertionError(f"never came to hold. {otherwise()}")


def environment_of(data: Path) -> dict[str, str]:
    return {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "LEARNGENES_DATA": str(data), "PATH": ""}

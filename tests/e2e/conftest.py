"""The real service, as a process on a free port of the loopback, over a store of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import factories
import pytest

from learngenes.store.local import LocalStore


@dataclass
class Service:
    """A running service: its address, its process, its data directory."""

    url: str
    process: subprocess.Popen[str]
    data: Path

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def serving(data: Path, *, default: str = "tiny", port: int = 0, zero_copy: bool = True) -> Iterator[Service]:
    """The service over `data`, until the block ends."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "LEARNGENES_DATA": str(data),
        "LEARNGENES_DEFAULT": default,
        "LEARNGENES_PORT": str(port),
        "LEARNGENES_ZERO_COPY": str(int(zero_copy)),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "learngenes_service"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = None
        for line in process.stdout:
            found = re.search(r"ready at (http://\S+)", line)
            if found:
                break
        assert found, f"the service ended with {process.wait()} before it was ready"
        yield Service(found[1], process, data)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="session")
def start() -> Callable[..., AbstractContextManager[Service]]:
    """`with start(data, default=..., port=...) as service`."""
    return serving


@pytest.fixture(scope="session", params=[True, False], ids=["zero-copy", "plain"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose default learngene is a tiny one, and which has a larger one for long downloads.

    Once with each of its two ways to the socket.
    """
    data = tmp_path_factory.mktemp("service")
    factories.catalog(
        None,
        factories.learngene(),
        factories.learngene(name="half", dtype="F16", labels=tuple(f"class {i}" for i in range(10))),
        factories.learngene(name="large", stages=(1, 1, 1), width=256, heads=4),
        store=LocalStore(data / "store"),
    )
    with serving(data, zero_copy=request.param) as running:
        yield running

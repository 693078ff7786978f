"""The real service, as a process on a free port of the loopback, over a store of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import factories
import numpy as np
import pytest

from learngenes import gene, tensorfile
from learngenes.catalog import starter
from learngenes.gene import Manifest, Parent
from learngenes.store.local import LocalStore
from learngenes.tensorfile import TensorFile


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
def serving(
    data: Path,
    *,
    default: str = "tiny",
    port: int = 0,
    zero_copy: bool = True,
    settings: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator[Service]:
    """The service over `data`, until the block ends; without a queue, unless the settings say otherwise.

    The learngenes that ship are in its store if one of them is the default: putting 29 MB there takes its time.
    settings: further variables of its environment; log: a file for what it says on stderr.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "LEARNGENES_DATA": str(data),
        "LEARNGENES_DEFAULT": default,
        "LEARNGENES_STARTER": str(int(default in starter().names())),
        "LEARNGENES_PORT": str(port),
        "LEARNGENES_ZERO_COPY": str(int(zero_copy)),
        "LEARNGENES_REDIS_URL": "none",
        **(settings or {}),
    }
    with (log or Path(os.devnull)).open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "learngenes_service"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=said,
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


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bool], Service]]:
    """`services(zero_copy)`: the service of all tests, started when first asked for."""
    with ExitStack() as stack:

        @cache
        def running(zero_copy: bool) -> Service:
            return stack.enter_context(serving(stored(tmp_path_factory.mktemp("service")), zero_copy=zero_copy))

        yield running


@pytest.fixture(scope="session", params=[True, False], ids=["zero-copy", "plain"])
def service(request: pytest.FixtureRequest, services: Callable[[bool], Service]) -> Service:
    """A service whose default learngene is a tiny one, and which has a larger one for long downloads.

    Once with each of its two ways to the socket.
    """
    return services(request.param)


def stored(data: Path) -> Path:
    """The data directory, with what `service` serves in its store."""
    factories.catalog(
        None,
        factories.learngene(),
        factories.learngene(name="half", dtype="F16", labels=tuple(f"class {i}" for i in range(10))),
        factories.learngene(name="large", stages=(1, 1, 1), width=256, heads=4),
        factories.learngene(name="broad", stages=(1,), width=768, heads=12),
        wide := factories.learngene(name="wide", stages=(2, 2), image=32, width=128, heads=2),
        completed(*wide),
        store=LocalStore(data / "store"),
    )
    return data


def completed(of: Manifest, raw: bytes) -> tuple[Manifest, bytes]:
    """A learngene that stores two tensors of its own; all others lie in the file of the one it completes."""
    values = {"norm.weight": np.full(128, 3.0, np.float32), "stages.1.mlp.fc1.bias": np.full(512, 5.0, np.float32)}
    own = b"".join(tensorfile.write(values, "F32"))
    parent = Parent(of.reference, of.digest)
    return replace(of, name="completed", weights=gene.weigh(TensorFile(own)), parent=parent), own

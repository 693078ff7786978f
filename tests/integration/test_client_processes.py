"""Processes of the client that share a cache, are killed and stopped, or have a terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from learngenes_client import (
    Client,
)
from unit.client import misbehaving as bad
from unit.client.misbehaving import ID, WEIGHTS, Server


@pytest.fixture
def server() -> Iterator[Server]:
    with bad.serving() as server:
        yield server


def weights_at(cache: Path) -> Path:
    return cache / "descendants" / ID / "model.safetensors"


def start(server: Server, cache: Path, *more: str, **options: object) -> subprocess.Popen[str]:
    """learngenes-client fetch, in a process of its own."""
    command = [sys.executable, "-m", "learngenes_client", "fetch", "--no-local", "--url", server.url]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen([*command, "--cache", str(cache), *more], text=True, **pipes)  # type: ignore[call-overload, no-any-return]


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline, "waited 20 seconds in vain"
        time.sleep(0.02)


def has_bytes(path: Path, count: int) -> bool:
    return path.exists() and path.stat().st_size >= count


def test_a_killed_download_is_gone_on_with_by_the_next_process(server: Server, tmp_path: Path) -> None:
    server.plan = [bad.stall(200_000)]
    part = weights_at(tmp_path).with_name("model.safetensors.part")
    with start(server, tmp_path) as process:
        wait_until(lambda: has_bytes(part, 150_000))
        process.kill()
    kept = part.stat().st_size
    assert 150_000 <= kept <= 200_000

    with Client(server.url, cache=tmp_path, local=False) as client:
        assert client.fetch_model().path.read_bytes() == WEIGHTS
    assert server.ranges == [None, f"bytes={kept}-"]
    assert server.seen[-1].headers["if-range"] == f'"{ID}"'
    assert {path.name for path in part.parent.iterdir()} == {"model.safetensors", "config.json", "document.json"}


def test_two_processes_that_want_the_same_file_ask_for_it_once(server: Server, tmp_path: Path) -> None:
    server.plan = [bad.stall(100_000)]
    with start(server, tmp_path) as first:
        wait_until(lambda: len(server.ranges) == 1)
        with start(server, tmp_path) as second:
            wait_until(lambda: len(server.asked("/initialize")) == 2)
            time.sleep(0.3)  # time for the second to reach the lock; if it does not, this test still holds
            assert second.poll() is None
            server.released.set()
            outputs = first.communicate()[0], second.communicate()[0]
    assert (first.returncode, second.returncode) == (0, 0)
    assert outputs == (f"{weights_at(tmp_path)}\n",) * 2
    assert server.ranges == [None]
    assert weights_at(tmp_path).read_bytes() == WEIGHTS


def test_when_the_first_of_two_processes_is_killed_the_second_goes_on(server: Server, tmp_path: Path) -> None:
    server.plan = [bad.stall(100_000)]
    part = weights_at(tmp_path).with_name("model.safetensors.part")
    with start(server, tmp_path) as first:
        wait_until(lambda: has_bytes(part, 90_000))
        with start(server, tmp_path) as second:
            wait_until(lambda: len(server.asked("/initialize")) == 2)
            first.kill()
            second.communicate()
    assert second.returncode == 0
    assert weights_at(tmp_path).read_bytes() == WEIGHTS
    assert len(server.ranges) == 2
    assert server.ranges[1] is not None


def test_control_c_exits_130_and_keeps_what_came(server: Server, tmp_path: Path) -> None:
    server.plan = [bad.stall(100_000)]
    part = weights_at(tmp_path).with_name("model.safetensors.part")
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, and so inherited, in a `make &`
    process = start(server, tmp_path)
    signal.signal(signal.SIGINT, ours)
    with process:
        wait_until(lambda: has_bytes(part, 90_000))
        process.send_signal(signal.SIGINT)
        errors = process.communicate()[1]
    assert process.returncode == 130
    assert errors == "learngenes-client: stopped; what has arrived is kept\n"
    assert 90_000 <= part.stat().st_size <= 100_000


def test_a_bar_is_shown_on_a_terminal_only(server: Server, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    try:
        with start(server, tmp_path / "terminal", stderr=theirs) as process:
            process.communicate()
        assert b"starter@1 9x384: 100%" in os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)
    with start(server, tmp_path / "pipe") as process:
        assert process.communicate()[1] == ""

"""Workers beside the queue that comes with the service: by its side, or by hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from cases.embedded import Launch, environment_of, launching, until
from cases.processes import gone
from learngenes_service.embedded import locks


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    with launching(tmp_path) as start:
        yield start


def said_by_check(data: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "learngenes_service", "worker", "--check"],
        env=environment_of(data),
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


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

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path

import pytest
from cases import checkpoints
from learngenes_service.problems import Refusal
from learngenes_service.publishing import room
from learngenes_service.publishing.staging import (
    ABANDONED_SECONDS,
    DONE_SECONDS,
    KEPT_SECONDS,
    PROMISED_SECONDS,
    Staging,
)

from learngenes.store.memory import MemoryStore

RAW = checkpoints.raw()
OWN, OTHER = "0" * 16, "1" * 16


class Clock:
    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def staging(tmp_path: Path, clock: Clock) -> Staging:
    return Staging(MemoryStore(), tmp_path / "uploads", most_bytes=3 * len(RAW), clock=clock)


def stage(staging: Staging, raw: bytes = RAW, owner: str = OWN) -> None:
    with staging.coming(len(raw), owner) as upload:
        for at in range(0, len(raw), 100_000):
            upload.write(raw[at : at + 100_000])
        upload.keep(checkpoints.sha256(raw))


def refused(error: pytest.ExceptionInfo[Refusal]) -> tuple[int, bytes]:
    return error.value.response.status_code, bytes(error.value.response.body)


def test_a_file_waits_for_a_day_under_its_digest(staging: Staging, clock: Clock, tmp_path: Path) -> None:
    assert staging.find(checkpoints.sha256(RAW), OWN) is None
    stage(staging)
    found = staging.find(checkpoints.sha256(RAW), OWN)
    assert found is not None and (found.bytes, found.since) == (len(RAW), clock.now)
    opened = staging.open(found)
    assert opened is not None and bytes(opened.view) == RAW
    assert list((tmp_path / "uploads").iterdir()) == []
    clock.now += KEPT_SECONDS
    assert staging.sweep() == [found]
    clock.now += 1
    assert (staging.sweep(), staging.open(found)) == ([], None)


def test_nothing_stays_of_what_is_not_what_was_said(staging: Staging, tmp_path: Path) -> None:
    with pytest.raises(Refusal) as error, staging.coming(5, OWN) as upload:
        upload.write(b"hello")
        upload.keep("0" * 64)
    assert refused(error)[0] == 400 and b"digest-mismatch" in refused(error)[1]
    with pytest.raises(Refusal) as error, staging.coming(5, OWN) as upload:
        upload.write(b"hello")
        upload.keep(checkpoints.sha256(b"hello"))
    assert refused(error)[0] == 422 and b"bad-tensor-file" in refused(error)[1]
    with pytest.raises(KeyboardInterrupt), staging.coming(5, OWN):
        raise KeyboardInterrupt
    assert (staging.all(), list((tmp_path / "uploads").iterdir())) == ([], [])


def test_what_came_counts_as_what_waits_and_what_was_only_announced_does_not(staging: Staging) -> None:
    stage(staging)
    with staging.coming(2 * len(RAW), OWN) as first:
        with staging.coming(len(RAW), OTHER) as second:
            second.write(RAW)
            first.write(RAW[:-1])
            with pytest.raises(Refusal) as error:
                first.write(b"xy")
            assert refused(error)[0] == 507 and b"no-room" in refused(error)[1]
        first.write(b"x")
    with staging.coming(2 * len(RAW), OWN):
        pass


def test_nobody_takes_all_the_room(tmp_path: Path, clock: Clock) -> None:
    staging = Staging(MemoryStore(), tmp_path, most_bytes=4 * len(RAW), each_bytes=2 * len(RAW), clock=clock)
    stage(staging)
    with staging.coming(len(RAW), OWN) as coming:
        coming.write(RAW)
        with pytest.raises(Refusal) as error, staging.coming(1, OWN):
            pass
        assert b"one caller has room for" in refused(error)[1]
        stage(staging, owner=OTHER)
    with contextlib.ExitStack() as places:
        for _ in range(room.MOST_AT_ONCE_OF_ONE):
            places.enter_context(staging.coming(1, OWN))
        with pytest.raises(Refusal) as error, staging.coming(1, OWN):
            pass
        assert b"may at once" in refused(error)[1]
        places.enter_context(staging.coming(1, OTHER))


def test_an_upload_is_its_owners_alone(staging: Staging) -> None:
    stage(staging)
    sha256 = checkpoints.sha256(RAW)
    assert staging.promised(sha256, OTHER) is None is staging.find(sha256, OTHER)
    assert staging.find(sha256, None) == staging.promised(sha256, OWN) is not None
    stage(staging, owner=OTHER)
    assert (staging.forget(sha256, OWN), staging.forget(sha256, OWN)) == (1, 0)
    assert (staging.forget(sha256, None), staging.all()) == (1, [])


def test_a_file_that_soon_leaves_is_sent_again(staging: Staging, clock: Clock) -> None:
    stage(staging)
    clock.now += KEPT_SECONDS - PROMISED_SECONDS
    assert staging.promised(checkpoints.sha256(RAW), OWN) is not None
    clock.now += 1
    assert staging.promised(checkpoints.sha256(RAW), OWN) is None
    stage(staging)
    assert staging.promised(checkpoints.sha256(RAW), OWN) is not None


def test_what_was_published_stays_for_a_while_unless_its_room_is_needed(staging: Staging, clock: Clock) -> None:
    sha256 = checkpoints.sha256(RAW)
    stage(staging)
    for _ in range(2):
        staging.done(sha256, OWN)
    found = staging.find(sha256, OWN)
    assert found is not None and found.done and staging.open(found) is not None
    assert staging.promised(sha256, OWN) is None
    clock.now += DONE_SECONDS
    assert staging.sweep() == [found]
    with staging.coming(2 * len(RAW), OTHER):
        assert staging.all() == [found]
    with staging.coming(3 * len(RAW), OTHER):
        assert staging.all() == []
    stage(staging)
    staging.done(sha256, OWN)
    clock.now += DONE_SECONDS + 1
    assert staging.sweep() == [] == list(staging._store.keys("staged"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_no_room(staging: Staging, number: int) -> None:
    with pytest.raises(Refusal) as error, room.roomy():
        raise OSError(number, "full")
    assert refused(error)[0] == 507
    with pytest.raises(PermissionError), room.roomy():
        raise PermissionError(errno.EACCES, "not yours")


def test_a_file_that_the_disk_can_not_hold_is_refused_before_it_comes(tmp_path: Path) -> None:
    staging = Staging(MemoryStore(), tmp_path / "uploads", most_bytes=1 << 62)
    with pytest.raises(Refusal) as error, staging.coming(1 << 60, OWN):
        pass
    assert refused(error)[0] == 507 and b"bytes free" in refused(error)[1]


def test_many_small_files_have_no_room_either(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_FILES", 1)
    stage(staging)
    with pytest.raises(Refusal), staging.coming(0, OWN):
        pass


def test_what_a_killed_process_was_sent_is_swept(staging: Staging, clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    left, fresh = tmp_path / "uploads" / "upload-left", tmp_path / "uploads" / "upload-fresh"
    for path, seconds in ((left, ABANDONED_SECONDS + 1), (fresh, 1)):
        path.write_bytes(b"x")
        os.utime(path, (clock.now - seconds,) * 2)
    staging.sweep()
    assert (left.exists(), fresh.exists()) == (False, True)

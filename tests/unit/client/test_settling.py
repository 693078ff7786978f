"""Files that get their name before their bytes are on the disk."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest
from learngenes_client.cache import files, holds
from learngenes_client.cache.files import part_of, settle, will_settle
from learngenes_client.models import RemoteFile

FILE = RemoteFile("f", 3, None, "/f")


@pytest.fixture(autouse=True)
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that says when it was started."""
    boot = tmp_path / "boot_id"
    boot.write_text("this-start\n")
    monkeypatch.setattr(files, "BOOT", boot)
    return boot


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file that just got its name."""
    target = tmp_path / "f"
    appear(target)
    return target


def appear(target: Path) -> None:
    part_of(target).write_bytes(b"abc")
    assert will_settle(part_of(target), target)
    part_of(target).replace(target)


def mark(target: Path) -> Path:
    return target.with_name("f.unsettled")


def test_it_counts_in_this_start_and_in_the_next_only_if_it_settled(target: Path, boot: Path) -> None:
    assert holds(target, FILE)
    boot.write_text("next-start")
    assert not holds(target, FILE)
    boot.write_text("this-start")
    settle(target)
    boot.write_text("next-start")
    assert holds(target, FILE)
    assert not mark(target).exists()


def failing(*arguments: object) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_bytes_that_could_not_be_written_never_count_again(
    target: Path, boot: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "fsync", failing)
    with caplog.at_level(logging.WARNING):
        settle(target)
    assert "did not reach the disk" in caplog.text
    assert not holds(target, FILE)
    monkeypatch.undo()
    settle(target)  # the second fsync says nothing of what the first lost
    assert not holds(target, FILE)


def test_where_not_even_that_can_be_noted_the_file_goes(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", failing)
    monkeypatch.setattr(files, "jot", failing)
    settle(target)
    assert not target.exists()


def test_the_note_of_another_file_of_that_name_stays(target: Path) -> None:
    with target.open("rb") as earlier:  # so that its inode is not given to the next
        theirs = mark(target).read_bytes()
        appear(target)
        ours = mark(target).read_bytes()
        assert ours != theirs and os.fstat(earlier.fileno()).st_ino != target.stat().st_ino
    mark(target).write_bytes(theirs)
    settle(target)
    assert mark(target).read_bytes() == theirs

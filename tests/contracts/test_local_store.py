"""What a store in a directory promises beside the contract: nothing half-written, nothing outside its root."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from learngenes.errors import BlobNotFound, InvalidKey
from learngenes.store.local import LocalStore

WRITER = """
import sys, time
from pathlib import Path
from learngenes.store.local import LocalStore

def pieces():
    yield bytes(1_000_000)
    print("writing", flush=True)
    time.sleep(60)
    yield b"the end"

LocalStore(Path(sys.argv[1])).create("blobs/half", pieces())
"""


def test_a_writer_killed_in_the_middle_leaves_nothing_to_see(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        writer.send_signal(signal.SIGKILL)
    store = LocalStore(tmp_path)
    assert any((tmp_path / "blobs").iterdir())  # the unfinished file is there, under no key
    assert list(store.keys("blobs")) == []
    with pytest.raises(BlobNotFound):
        store.read("blobs/half")
    store.create("blobs/half", [b"whole"])
    assert store.read("blobs/half") == b"whole"


def test_a_finished_blob_is_alone_in_its_folder_and_readable_by_all(tmp_path: Path) -> None:
    LocalStore(tmp_path).create("a/b", [b"1"])
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o644


def test_a_blob_is_opened_as_a_map_that_cannot_be_written(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.create("a", [b"1"])
    opened = store.open("a")
    assert isinstance(opened, mmap.mmap)
    with pytest.raises(TypeError):
        opened[0] = 0


def test_the_root_is_made_when_first_written_to(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "new" / "store")
    assert list(store.keys("a")) == []
    assert not (tmp_path / "new").exists()
    store.create("a/b", [b"1"])
    assert list(LocalStore(tmp_path / "new" / "store").keys("a")) == ["a/b"]


@pytest.mark.parametrize("stray", [".DS_Store", ".hidden/x", "Thumbs.db", "a..b", "x-", "UPPER/x", ".staging-x"])
def test_a_file_that_cannot_be_a_key_is_passed_over(tmp_path: Path, stray: str) -> None:
    store = LocalStore(tmp_path)
    store.create("a/b", [b"1"])
    (tmp_path / "a" / stray).parent.mkdir(exist_ok=True)
    (tmp_path / "a" / stray).write_bytes(b"stray")
    assert list(store.keys("a")) == ["a/b"]


@pytest.mark.parametrize("key", ["a/link", "folder/secret"])
def test_a_link_that_leads_out_of_the_root_is_not_followed(tmp_path: Path, key: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "secret").write_bytes(b"secret")
    store = LocalStore(tmp_path / "store")
    store.create("a/b", [b"1"])
    (tmp_path / "store/a/link").symlink_to(tmp_path / "out" / "secret")
    (tmp_path / "store/folder").symlink_to(tmp_path / "out")
    for verb in (store.read, store.open, store.delete):
        with pytest.raises((InvalidKey, BlobNotFound)):
            verb(key)
    with pytest.raises(InvalidKey):
        store.create("folder/new", [b"1"])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["secret"]
    assert list(store.keys("a")) == ["a/b"]

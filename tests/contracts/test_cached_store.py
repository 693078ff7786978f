"""What the disk cache of an object store promises beside the contract: verified, bounded, shared."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cases import bucket

from learngenes.errors import BlobNotFound, CorruptLearngene, StoreUnavailable
from learngenes.store.cached import CachedStore
from learngenes.store.room import ABANDONED_SECONDS
from learngenes.store.s3 import ObjectStore
from learngenes.tensorfile import FileMap


@dataclass
class Fetching:
    """A bucket that remembers what was fetched from it."""

    remote: ObjectStore
    fetched: list[str] = field(default_factory=list)

    def fetch(self, key: str) -> Iterator[memoryview]:
        self.fetched.append(key)
        return self.remote.fetch(key)

    def __getattr__(self, name: str) -> object:
        return getattr(self.remote, name)


@pytest.fixture
def remote(s3: bucket.Server) -> Fetching:
    return Fetching(ObjectStore(s3.new()))


def blob(remote: Fetching, fill: int, size: int = 1000) -> str:
    raw = bytes([fill]) * size
    key = f"blobs/sha256/{hashlib.sha256(raw).hexdigest()}"
    remote.remote.create(key, [raw])
    return key


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()} - {".lock"}


def name(key: str) -> str:
    return key.rpartition("/")[2]


def test_a_blob_is_fetched_once_and_then_read_from_disk(remote: Fetching, tmp_path: Path) -> None:
    key = blob(remote, 1)
    for _ in range(2):
        store = CachedStore(remote, tmp_path, max_bytes=10_000)
        opened = store.open(key)
        assert isinstance(opened, FileMap)
        assert bytes(opened) == bytes([1]) * 1000
        assert store.open(key) is not opened
    assert remote.fetched == [key]
    assert names(tmp_path) == {name(key)}
    assert (tmp_path / name(key)).stat().st_mode & 0o777 == 0o644


def test_an_empty_blob_is_cached_as_well(remote: Fetching, tmp_path: Path) -> None:
    key = blob(remote, 1, size=0)
    store = CachedStore(remote, tmp_path, max_bytes=0)
    assert (store.open(key), store.open(key), len(remote.fetched)) == (b"", b"", 1)


@pytest.mark.parametrize("harm", ["flipped", "short", "empty"])
def test_a_file_that_has_rotted_is_fetched_anew(remote: Fetching, tmp_path: Path, harm: str) -> None:
    key = blob(remote, 1)
    store = CachedStore(remote, tmp_path, max_bytes=10_000)
    store.open(key)
    raw = {"flipped": bytes([1]) * 500 + b"\0" + bytes([1]) * 499, "short": bytes([1]) * 999, "empty": b""}[harm]
    (tmp_path / name(key)).write_bytes(raw)
    for _ in range(2):
        assert bytes(memoryview(store.open(key))) == bytes([1]) * 1000
    assert remote.fetched == [key] * 2


def test_bytes_of_the_remote_that_are_not_those_of_the_key_are_never_served(remote: Fetching, tmp_path: Path) -> None:
    key = f"blobs/sha256/{'0' * 64}"
    remote.remote.create(key, [b"something else"])
    with pytest.raises(CorruptLearngene, match=f"'{key}' has sha256"):
        CachedStore(remote, tmp_path, max_bytes=10_000).open(key)
    assert names(tmp_path) == set()


def test_what_was_used_longest_ago_leaves_and_stays_readable_for_those_who_hold_it(
    remote: Fetching, tmp_path: Path
) -> None:
    store = CachedStore(remote, tmp_path, max_bytes=2500)
    one, two, three = (blob(remote, fill) for fill in (1, 2, 3))
    held = [store.open(key) for key in (one, two)]
    for age, key in ((30, one), (20, two)):
        os.utime(tmp_path / name(key), (time.time() - age,) * 2)
    store.open(one)  # now two is the one unused for longest
    store.open(three)
    assert names(tmp_path) == {name(one), name(three)}
    assert [bytes(memoryview(opened))[:1] for opened in held] == [b"\1", b"\2"]
    assert bytes(memoryview(store.open(two))) == bytes([2]) * 1000
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2500


def test_a_blob_larger_than_the_cache_is_served_and_not_kept(remote: Fetching, tmp_path: Path) -> None:
    store = CachedStore(remote, tmp_path, max_bytes=1500)
    small, large = blob(remote, 1), blob(remote, 2, size=1501)
    store.open(small)
    for _ in range(2):
        assert bytes(memoryview(store.open(large))) == bytes([2]) * 1501
    assert remote.fetched == [small, large, large]
    assert names(tmp_path) == {name(small)}


def test_many_threads_fetch_a_blob_once(remote: Fetching, tmp_path: Path) -> None:
    key = blob(remote, 1, size=100_000)
    store, read = CachedStore(remote, tmp_path, max_bytes=1 << 20), list[bytes]()
    threads = [threading.Thread(target=lambda: read.append(bytes(memoryview(store.open(key))))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (set(read), len(read), remote.fetched) == ({bytes([1]) * 100_000}, 8, [key])


def test_processes_that_share_the_directory_keep_within_it(remote: Fetching, tmp_path: Path) -> None:
    keys = [blob(remote, fill) for fill in range(12)]
    stores = [CachedStore(remote, tmp_path, max_bytes=3500) for _ in range(4)]  # each with locks of its own
    wrong: list[str] = []

    def use(store: CachedStore, start: int) -> None:
        for at in range(24):
            fill = (start * 5 + at * 7) % 12
            if bytes(memoryview(store.open(keys[fill]))) != bytes([fill]) * 1000:
                wrong.append(keys[fill])

    threads = [threading.Thread(target=use, args=(store, at)) for at, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(names(tmp_path)) <= 3
    assert names(tmp_path) <= {name(key) for key in keys}


def test_what_a_killed_process_left_is_cleared_away(remote: Fetching, tmp_path: Path) -> None:
    for file, age in ((".staging-old", ABANDONED_SECONDS + 10), (".staging-new", 10)):
        (tmp_path / file).write_bytes(b"half")
        os.utime(tmp_path / file, (time.time() - age,) * 2)
    key = blob(remote, 1)
    CachedStore(remote, tmp_path, max_bytes=10_000).open(key)
    assert names(tmp_path) == {name(key), ".staging-new"}


def test_only_blobs_are_kept_on_disk_and_lists_ask_the_remote(remote: Fetching, tmp_path: Path) -> None:
    store = CachedStore(remote, tmp_path, max_bytes=10_000)
    store.create("learngenes/tiny/1.json", [b"{}"])
    assert bytes(memoryview(store.open("learngenes/tiny/1.json"))) == b"{}"
    assert names(tmp_path) == set()
    remote.remote.create("learngenes/tiny/2.json", [b"{}"])
    assert list(store.keys("learngenes")) == ["learngenes/tiny/1.json", "learngenes/tiny/2.json"]


def test_a_deleted_blob_is_gone_from_the_cache(remote: Fetching, tmp_path: Path) -> None:
    key = blob(remote, 1)
    store = CachedStore(remote, tmp_path, max_bytes=10_000)
    store.open(key)
    store.delete(key)
    assert names(tmp_path) == set()
    with pytest.raises(BlobNotFound):
        store.open(key)


def test_a_cache_that_cannot_be_written_is_a_store_that_cannot_be_asked(remote: Fetching, tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file")
    with pytest.raises(StoreUnavailable, match=r"can't keep 'blobs/sha256/.*' in the cache"):
        CachedStore(remote, tmp_path / "cache", max_bytes=10_000).open(blob(remote, 1))

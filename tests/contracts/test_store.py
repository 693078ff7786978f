"""The promises of a store, kept by every backend: one line in STORES each."""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learngenes.errors import BlobExists, BlobNotFound, InvalidKey, LearngenesError
from learngenes.store import Store
from learngenes.store.local import LocalStore
from learngenes.store.memory import MemoryStore
from learngenes.store.opened import open_store

Made = Callable[[Path], Store]

STORES: dict[str, Callable[[pytest.FixtureRequest], Made]] = {
    "memory": lambda request: lambda root: MemoryStore(),
    "local": lambda request: LocalStore,
    "s3": lambda request: lambda root: open_store(request.getfixturevalue("s3").new()),
    "cached-s3": lambda request: lambda root: open_store(request.getfixturevalue("s3").new(), cache=root / "cache"),
}
NO_KEYS = ["", "/", "/etc/passwd", "../a", "a/../b", "a/..", "a/./b", ".hidden", "a/.b", "a//b", "a/", "a\0b", "A", "ä"]
NO_KEYS += ["a\n", "a b", "a\\b", "c:a", "-a", "a-", "a..b", "x" * 129, "/".join(["abcdefg"] * 60)]

keys = st.sampled_from(["a/b", "a/c", "a/b-c", "a/d/e", "b/b", "a-b/c", "blobs/sha256/00"])
steps = st.lists(st.tuples(st.sampled_from(["create", "read", "delete", "keys"]), keys, st.binary(max_size=8)))


@pytest.fixture(scope="session", params=STORES)
def make(request: pytest.FixtureRequest) -> Made:
    """A new, empty store with this place on disk."""
    return STORES[request.param](request)


@pytest.fixture
def store(make: Made, tmp_path: Path) -> Store:
    return make(tmp_path / "store")


def test_what_is_created_is_read_opened_and_listed(store: Store) -> None:
    store.create("a/b", [b"one", memoryview(b"two"), b""])
    assert store.read("a/b") == b"onetwo"
    assert bytes(memoryview(store.open("a/b"))) == b"onetwo"
    assert list(store.keys("a")) == ["a/b"]


def test_a_blob_may_be_empty(store: Store) -> None:
    store.create("a", [])
    assert store.read("a") == b""
    assert bytes(memoryview(store.open("a"))) == b""


def test_a_key_that_exists_keeps_its_bytes(store: Store) -> None:
    store.create("a/b", [b"old"])
    with pytest.raises(BlobExists, match="'a/b' is already in the store") as error:
        store.create("a/b", [b"new"])
    assert error.value.key == "a/b"
    assert store.read("a/b") == b"old"


@pytest.mark.parametrize("verb", ["read", "open", "delete"])
def test_a_key_that_is_not_there_is_named(store: Store, verb: str) -> None:
    store.create("a/b", [b"1"])
    for key in ("nothing", "a", "a/b/c", "a/c"):
        with pytest.raises(BlobNotFound, match=f"holds nothing under '{key}'") as error:
            getattr(store, verb)(key)
        assert error.value.key == key


def test_a_deleted_key_is_gone_and_free(store: Store) -> None:
    store.create("a/b", [b"1"])
    store.delete("a/b")
    assert list(store.keys("a")) == []
    store.create("a/b", [b"2"])
    assert store.read("a/b") == b"2"


def test_what_was_opened_outlives_its_key(store: Store) -> None:
    store.create("a", [b"1"])
    opened = store.open("a")
    store.delete("a")
    assert bytes(memoryview(opened)) == b"1"


def test_keys_are_sorted_and_only_those_below_the_folder(store: Store) -> None:
    for key in ("a/c", "a/b/d", "a-b/c", "ab", "a/b-c", "b/a"):
        store.create(key, [b""])
    assert list(store.keys("a")) == ["a/b-c", "a/b/d", "a/c"]
    assert list(store.keys("a/b")) == ["a/b/d"]
    assert list(store.keys("ab")) == []
    assert list(store.keys("z")) == []


@pytest.mark.parametrize("key", NO_KEYS, ids=repr)
def test_every_verb_refuses_what_is_no_key(store: Store, key: str) -> None:
    verbs = [lambda: store.create(key, [b""]), lambda: store.read(key), lambda: store.open(key)]
    for verb in [*verbs, lambda: list(store.keys(key)), lambda: store.delete(key)]:
        with pytest.raises(InvalidKey, match="can't be a key"):
            verb()


def test_a_blob_is_not_seen_before_it_is_whole(store: Store) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"first"
        assert list(store.keys("a")) == []
        with pytest.raises(BlobNotFound):
            store.read("a/b")
        yield b"last"

    store.create("a/b", pieces())
    assert store.read("a/b") == b"firstlast"


def test_pieces_that_fail_leave_nothing(store: Store) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"first"
        raise RuntimeError("the disk of the sender")

    with pytest.raises(RuntimeError, match="the disk of the sender"):
        store.create("a/b", pieces())
    assert list(store.keys("a")) == []
    store.create("a/b", [b"again"])
    assert store.read("a/b") == b"again"


def test_of_racing_creators_one_wins_and_the_others_are_told(store: Store) -> None:
    won, told, start = list[int](), list[int](), threading.Barrier(8)

    def create(me: int) -> None:
        def pieces() -> Iterator[bytes]:
            start.wait(10)  # all of them have seen that the key is free
            yield bytes([me]) * 100

        try:
            store.create("a/b", pieces())
            won.append(me)
        except BlobExists:
            told.append(me)

    threads = [threading.Thread(target=create, args=(me,)) for me in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(told)) == (1, 7)
    assert store.read("a/b") == bytes(won) * 100


def test_keys_can_be_listed_while_others_write(store: Store) -> None:
    before = [f"a/{number:03}" for number in range(100)]
    for key in before:
        store.create(key, [b""])
    stop = threading.Event()

    def write() -> None:
        number = 100
        while not stop.is_set():
            store.create(f"a/{number:06}", [b""])
            number += 1

    writer, interval = threading.Thread(target=write), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    writer.start()
    try:
        for _ in range(40):
            assert set(before) <= set(store.keys("a"))
    finally:
        stop.set()
        writer.join()
        sys.setswitchinterval(interval)


def test_a_key_below_another_is_kept_or_refused_by_an_error_of_ours(store: Store) -> None:
    store.create("a", [b"1"])
    store.create("b/c", [b"2"])
    for key in ("a/b", "b"):
        try:
            store.create(key, [b"3"])
        except LearngenesError as error:
            assert repr(key) in str(error)
        else:
            assert store.read(key) == b"3"
    assert (store.read("a"), store.read("b/c")) == (b"1", b"2")


@settings(max_examples=20)
@given(steps=steps)
def test_any_sequence_of_verbs_does_what_a_dictionary_would(make: Made, steps: list[tuple[str, str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as root:
        store, model = make(Path(root)), dict[str, bytes]()
        for verb, key, data in steps:
            match verb:
                case "create" if key in model:
                    with pytest.raises(BlobExists):
                        store.create(key, [data])
                case "create":
                    store.create(key, [data])
                    model[key] = data
                case "keys":
                    assert list(store.keys("a")) == sorted(k for k in model if k.startswith("a/"))
                case "read" if key in model:
                    assert store.read(key) == model[key]
                case "delete" if key in model:
                    store.delete(key)
                    del model[key]
                case _:
                    with pytest.raises(BlobNotFound):
                        getattr(store, verb)(key)

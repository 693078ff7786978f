"""Versions that were taken back, on every store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import factories
import pytest
from contracts.test_store import STORES

from learngenes import gene, publish
from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue, LearngeneNotFound, Yanked
from learngenes.gene import Manifest
from learngenes.store import Store
from learngenes.store.memory import MemoryStore
from learngenes.tensorfile import Buffer, TensorFile
from learngenes.yanks import Yanks

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return STORES[request.param](request)(tmp_path / "store")


def pushed(catalog: Catalog, seed: int) -> Manifest:
    manifest, raw = factories.learngene(seed=seed)
    return publish.publish_as_next(manifest, TensorFile(raw), catalog=catalog, replaces=lambda reference: None)[0]


def test_a_version_is_taken_back_and_put_back(store: Store) -> None:
    yanks = Yanks(store)
    assert yanks.get("tiny@1") is None
    made = yanks.put("tiny@1", "a wrong label", at=NOON)
    assert yanks.get("tiny@1") == made == yanks.put("tiny@1", "a wrong label", at=NOON + timedelta(days=1))
    assert (made.reason, made.at) == ("a wrong label", "2026-11-21T12:00:00+00:00")
    assert not yanks.has("tiny@2") and not yanks.has("tiny@11")
    yanks.put("tiny@1", "two wrong labels", at=NOON)
    assert yanks.get("tiny@1") is not None and yanks.get("tiny@1").reason == "two wrong labels"  # type: ignore[union-attr]
    for _ in range(2):
        yanks.drop("tiny@1")
        assert yanks.get("tiny@1") is None
    assert list(store.keys("yanked")) == []


def test_a_name_passes_over_what_was_taken_back(store: Store) -> None:
    catalog = Catalog(store)
    assert [pushed(catalog, seed).version for seed in range(3)] == [1, 2, 3]
    catalog.yank("tiny@3", "worse")
    assert catalog.get("tiny").version == 2
    assert catalog.get("tiny@3").version == 3  # who names it may look at it
    with pytest.raises(Yanked, match="learngene tiny@3 was taken back: worse"):
        catalog.refuse_yanked(catalog.get("tiny@3"))
    catalog.refuse_yanked(catalog.get("tiny@2"))
    for version in (1, 2):
        catalog.yank(f"tiny@{version}", "as well")
    with pytest.raises(Yanked, match="tiny@3 was taken back: worse"):
        catalog.get("tiny")
    assert catalog.get("tiny", yanked=True).version == 3
    assert (catalog.names(), catalog.offered(), catalog.versions("tiny")) == (["tiny"], [], [1, 2, 3])
    catalog.unyank("tiny@2")
    assert [manifest.reference for manifest in catalog.offered()] == ["tiny@2"]
    for reference in ("tiny@9", "none@1"):
        with pytest.raises(LearngeneNotFound):
            catalog.yank(reference, "never was")


def test_a_number_that_was_taken_back_is_not_given_again(store: Store) -> None:
    catalog = Catalog(store)
    pushed(catalog, 0)
    catalog.yank("tiny@1", "worse")
    assert pushed(catalog, 1).reference == "tiny@2"
    assert pushed(catalog, 0).reference == "tiny@1"  # the same content is what it was


def test_many_at_once_leave_one_reason(store: Store) -> None:
    catalog = Catalog(store)
    pushed(catalog, 0)
    threads = [threading.Thread(target=catalog.yank, args=("tiny@1", f"reason {i}")) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = catalog.yanks.get("tiny@1")
    assert found is not None and found.reason.startswith("reason ")


class Killed(Exception):
    """The process is gone."""


class Watched:
    """A store in front of which something happens, before or after a verb."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.before_create: Callable[[], None] = lambda: None
        self.before_delete: Callable[[], None] = lambda: None
        self.after_keys: Callable[[], None] = lambda: None

    def create(self, key: str, pieces: Iterable[bytes | memoryview]) -> None:
        self.before_create()
        self._store.create(key, pieces)

    def read(self, key: str) -> bytes:
        return self._store.read(key)

    def open(self, key: str) -> Buffer:
        return self._store.open(key)

    def keys(self, prefix: str) -> Iterator[str]:
        found = list(self._store.keys(prefix))
        self.after_keys()
        return iter(found)

    def delete(self, key: str) -> None:
        self.before_delete()
        self._store.delete(key)


def test_who_is_killed_while_the_reason_changes_does_not_put_the_version_back(store: Store) -> None:
    watched = Watched(store)
    Yanks(store).put("tiny@1", "one", at=NOON)

    def kill() -> None:
        raise Killed

    watched.before_delete = kill
    with pytest.raises(Killed):
        Yanks(watched).put("tiny@1", "two", at=NOON)
    found = Yanks(store).get("tiny@1")
    assert found is not None and found.reason == "two"
    # Half of putting it back is nothing, too.
    with pytest.raises(Killed):
        Yanks(watched).drop("tiny@1")
    assert Yanks(store).has("tiny@1")
    Yanks(store).drop("tiny@1")
    assert not Yanks(store).has("tiny@1") and list(store.keys("yanked")) == []


def test_who_reads_while_a_version_is_taken_back_does_not_remember_that_it_stands() -> None:
    now = 0.0
    watched = Watched(MemoryStore())
    yanks = Yanks(watched, fresh_seconds=10, clock=lambda: now)
    reading, taken_back = threading.Event(), threading.Event()
    reader = threading.Thread(target=yanks.has, args=("tiny@1",))

    def wait() -> None:
        reading.set()
        taken_back.wait(0.5)  # in vain where taking back waits for who reads

    def read() -> None:
        nonlocal now
        now = 20.0
        watched.before_create, watched.after_keys = lambda: None, wait
        reader.start()
        reading.wait(5)
        watched.after_keys = lambda: None

    watched.before_create = read
    yanks.put("tiny@1", "worse", at=NOON)
    taken_back.set()
    reader.join(10)
    assert yanks.has("tiny@1")


def test_another_process_sees_it_once_what_it_remembers_is_old(store: Store) -> None:
    now = 0.0
    yanks, other = Yanks(store, fresh_seconds=10, clock=lambda: now), Yanks(store)
    assert yanks.known("tiny@1") is None
    assert not yanks.has("tiny@1")
    other.put("tiny@1", "worse", at=NOON)
    assert yanks.known("tiny@1") is False and not yanks.has("tiny@1")
    now = 10.0
    assert yanks.known("tiny@1") is None and yanks.has("tiny@1")
    yanks.drop("tiny@1")
    assert not yanks.has("tiny@1")  # its own is known at once


def test_what_completes_a_version_that_was_taken_back_is_too(tmp_path: Path) -> None:
    manifest, raw = factories.learngene()
    child = replace(manifest, name="tiny-depth3-width32", parent=gene.Parent(manifest.reference, manifest.digest))
    catalog = factories.catalog(None, (manifest, raw), (child, raw))
    size = manifest.space.nearest(3, 32)
    assert catalog.fitted(manifest, size) == child
    catalog.yank(child.reference, "fitted to other images")
    assert catalog.fitted(manifest, size) is None
    catalog.unyank(child.reference)
    catalog.yank(manifest.reference, "worse")
    with pytest.raises(Yanked, match="learngene tiny@1 was taken back"):
        catalog.refuse_yanked(child)
    assert catalog.stands(child) is None  # nothing is remembered here


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 501, "a\x00b", "\ud800"])
def test_a_reason_is_a_line_that_can_be_shown(store: Store, reason: str) -> None:
    with pytest.raises(InvalidValue, match="a reason is one line"):
        Yanks(store).put("tiny@1", reason, at=NOON)
    assert list(store.keys("yanked")) == []


def test_a_record_that_is_none_still_takes_back(store: Store) -> None:
    store.create("yanked/tiny/1/1", [b"{"])
    found = Yanks(store).get("tiny@1")
    assert found is not None and found.reason == "its record can't be read"

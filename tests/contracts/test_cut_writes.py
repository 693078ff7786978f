"""Wherever a write is cut: what was there is there, nothing half is seen, and the same again works."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable

import factories
import pytest
from cases.faulty_store import cuts

from learngenes.catalog import Catalog
from learngenes.errors import StoreUnavailable
from learngenes.gene import Manifest
from learngenes.store import Store
from learngenes.store.opened import open_store

NewUrl = Callable[[], str]


@pytest.fixture(params=["local", "s3"])
def new(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> NewUrl:
    if request.param == "local":
        return lambda: str(tmp_path_factory.mktemp("store"))
    made: NewUrl = request.getfixturevalue("s3").new
    return made


def tiny(version: int) -> tuple[Manifest, bytes]:
    return factories.learngene(stages=(1, 1), width=8, version=version, seed=version)


def with_first(new: NewUrl) -> Store:
    """A store that holds tiny@1, to which the alias `best` points."""
    store = open_store(new())
    factories.catalog(None, tiny(1), store=store).move_alias("tiny", "best", 1)
    return store


def check_whole(store: Store, *, versions: tuple[list[int], ...]) -> None:
    """The versions are one of these, each opens verified, and every blob has the digest it is named by."""
    catalog = Catalog(store)
    assert catalog.versions("tiny") in versions
    for version in catalog.versions("tiny"):
        manifest, raw = tiny(version)
        assert catalog.get(f"tiny@{version}") == manifest
        assert bytes(catalog.open(manifest).view) == raw
    for key in store.keys("blobs"):
        assert hashlib.sha256(store.read(key)).hexdigest() == key.rpartition("/")[2]


@pytest.mark.parametrize("error", [None, StoreUnavailable("gone for a moment")], ids=["dies", "fails"])
def test_publishing_that_is_cut_anywhere_is_done_wholly_or_not_at_all(new: NewUrl, error: BaseException | None) -> None:
    manifest, raw = tiny(2)
    points = []
    for point, store in cuts(lambda: with_first(new), lambda at: Catalog(at).publish(manifest, [raw]), error=error):
        points.append(point.rpartition("/")[0])
        check_whole(store, versions=([1, 2],) if point == "after create learngenes/tiny/2.json" else ([1],))
        Catalog(store).publish(manifest, [raw])
        check_whole(store, versions=([1, 2],))
        assert Catalog(store).aliases("tiny") == {"best": 1}
    blob, listed = "create blobs/sha256", "create learngenes/tiny"
    assert points == [f"{when} {what}" for what in (blob, listed) for when in ("before", "during", "after")]


def test_moving_an_alias_that_is_cut_leaves_it_where_it_was_or_moves_it(new: NewUrl) -> None:
    def make() -> Store:
        store = with_first(new)
        factories.catalog(None, tiny(2), store=store)
        return store

    found = []
    for _, store in cuts(make, lambda at: Catalog(at).move_alias("tiny", "best", 2)):
        found.append(Catalog(store).get("tiny@best").version)
        Catalog(store).move_alias("tiny", "best", 2)
        assert Catalog(store).aliases("tiny") == {"best": 2}
    assert found == [1, 1, 2]


def test_a_private_mark_that_is_cut_is_there_or_not(new: NewUrl) -> None:
    for private in (True, False):
        for _, store in cuts(lambda: with_first(new), lambda at, to=private: Catalog(at).set_private("tiny", to)):
            assert Catalog(store).private() <= {"tiny"}
            Catalog(store).set_private("tiny", private)
            assert Catalog(store).private() == ({"tiny"} if private else frozenset())


WRITER = """
import hashlib, sys
from learngenes.store.opened import open_store

store, run = open_store(sys.argv[1]), sys.argv[2]
print("writing", flush=True)
for number in range(10**6):
    raw = f"{run}-{number}".encode() * (1 + 400_000 * (number % 4))  # some go up in parts, some in one piece
    pieces = (raw[at : at + 100_000] for at in range(0, len(raw), 100_000))
    store.create(f"blobs/sha256/{hashlib.sha256(raw).hexdigest()}", pieces)
"""


def test_a_writer_killed_at_any_moment_leaves_only_whole_blobs(new: NewUrl) -> None:
    url, draw = new(), random.Random(1)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for run in range(3):
        command = [sys.executable, "-c", WRITER, url, str(run)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"writing\n"
            time.sleep(draw.uniform(0.05, 0.4))
            writer.kill()
    store = open_store(url)
    found = list(store.keys("blobs"))
    assert found
    for key in found:
        assert hashlib.sha256(memoryview(store.open(key))).hexdigest() == key.rpartition("/")[2]

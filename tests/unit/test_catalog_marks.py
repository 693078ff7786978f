"""Aliases and private marks of a catalog."""

from __future__ import annotations

import threading

import factories
import pytest

from learngenes.catalog import Catalog
from learngenes.errors import InvalidKey, LearngeneNotFound
from learngenes.gene import Manifest


def tiny(version: int = 1, *, seed: int = 0) -> tuple[Manifest, bytes]:
    return factories.learngene(stages=(1, 1), width=8, version=version, seed=seed)


def test_an_alias_names_a_version_and_moves() -> None:
    catalog = factories.catalog(None, *(tiny(version, seed=version) for version in (1, 2, 3)))
    assert catalog.aliases("tiny") == {}
    for version in (2, 3, 3, 1):
        catalog.move_alias("tiny", "best", version)
        assert catalog.get("tiny@best").version == version
    catalog.move_alias("tiny", "v1.old", 1)
    assert Catalog(catalog.store).aliases("tiny") == {"best": 1, "v1.old": 1}
    assert len(list(catalog.store.keys("aliases/tiny/best"))) == 3


def test_the_newest_of_many_moves_counts() -> None:
    catalog = factories.catalog(None, tiny(1), tiny(2, seed=2))
    for number in range(12):
        catalog.move_alias("tiny", "best", number % 2 + 1)
    assert catalog.get("tiny@best").version == 2


def test_moves_at_once_all_count_and_the_last_decides() -> None:
    catalog = factories.catalog(None, *(tiny(version, seed=version) for version in range(1, 9)))
    threads = [threading.Thread(target=catalog.move_alias, args=("tiny", "best", version)) for version in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = list(catalog.store.keys("aliases/tiny/best"))
    assert len(written) == 8
    assert catalog.get("tiny@best").version == int(catalog.store.read("aliases/tiny/best/8"))


@pytest.mark.parametrize("alias", ["1", "42", "Best", "a/b", "", "--"])
def test_an_alias_that_could_be_a_version_or_no_key_is_refused(alias: str) -> None:
    with pytest.raises(InvalidKey):
        factories.catalog(None, tiny()).move_alias("tiny", alias, 1)


def test_an_alias_points_to_nothing_that_is_not_there() -> None:
    catalog = factories.catalog(None, tiny())
    with pytest.raises(LearngeneNotFound):
        catalog.move_alias("tiny", "best", 2)
    assert catalog.aliases("tiny") == {}
    with pytest.raises(LearngeneNotFound, match="no learngene 'tiny@best' here"):
        catalog.get("tiny@best")


def test_names_are_marked_private_and_public_again() -> None:
    catalog = factories.catalog(None, tiny())
    for _ in range(2):
        catalog.set_private("tiny", True)
        catalog.set_private("not-yet-there", True)
    assert Catalog(catalog.store).private() == {"tiny", "not-yet-there"}
    for _ in range(2):
        catalog.set_private("tiny", False)
    assert catalog.private() == {"not-yet-there"}
    with pytest.raises(InvalidKey):
        catalog.set_private("a/b", True)

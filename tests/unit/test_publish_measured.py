from __future__ import annotations

from dataclasses import replace

import factories
import pytest
from cases.measurements import top1

from learngenes import gene
from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue
from learngenes.gene import Parent
from learngenes.publish import publish_measured
from learngenes.sizes import Size


@pytest.fixture
def catalog() -> Catalog:
    manifest, raw = factories.learngene()
    return factories.catalog(None, (replace(manifest, quality=(top1(6, 32, 0.2), top1(7, 32, 0.3))), raw))


def test_measurements_make_a_new_version_of_the_same_file_and_leave_the_old_one(catalog: Catalog) -> None:
    old = catalog.get("tiny")
    before = {key: catalog.store.read(key) for key in catalog.store.keys("learngenes")}
    blobs = list(catalog.store.keys("blobs"))
    new = publish_measured(old, [top1(8, 32, 0.4)], catalog=catalog)
    assert catalog.get("tiny") == new
    assert new == replace(old, version=2, quality=(*old.quality, top1(8, 32, 0.4)))
    assert list(catalog.store.keys("blobs")) == blobs
    assert {key: catalog.store.read(key) for key in before} == before
    assert catalog.get("tiny@1") == old


def test_measuring_again_replaces_the_older_value_in_its_place(catalog: Catalog) -> None:
    again = replace(top1(6, 32, 0.25), command="learngenes evaluate --again")
    new = publish_measured(catalog.get("tiny"), [again], catalog=catalog)
    assert new.quality == (again, top1(7, 32, 0.3))


def test_nothing_is_published_where_nothing_changes(catalog: Catalog) -> None:
    old = catalog.get("tiny")
    assert publish_measured(old, list(old.quality), catalog=catalog) is old
    assert catalog.versions("tiny") == [1]


def test_measurements_of_an_older_version_with_the_same_weights_are_added_to_the_newest(catalog: Catalog) -> None:
    old = catalog.get("tiny")
    publish_measured(old, [top1(8, 32, 0.4)], catalog=catalog)
    newest = publish_measured(old, [top1(9, 32, 0.5)], catalog=catalog)
    assert newest == replace(old, version=3, quality=(*old.quality, top1(8, 32, 0.4), top1(9, 32, 0.5)))


def test_measurements_of_a_version_that_another_learngene_replaced_are_refused(catalog: Catalog) -> None:
    old = catalog.get("tiny")
    other, raw = factories.learngene(version=2, seed=1)
    catalog.publish(other, [raw])
    with pytest.raises(InvalidValue, match=r"tiny@1 is not the newest of its name, which is tiny@2 and another"):
        publish_measured(old, [top1(9, 32, 0.4)], catalog=catalog)


def test_two_evaluations_that_publish_at_once_both_count(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    old, seen = catalog.get("tiny"), [[1]]
    publish_measured(old, [top1(8, 32, 0.4)], catalog=catalog)
    versions = catalog.versions  # the slower one looked before the faster one published
    monkeypatch.setattr(catalog, "versions", lambda name: seen.pop() if seen else versions(name))
    newest = publish_measured(old, [top1(9, 32, 0.5)], catalog=catalog)
    assert (newest.version, [one.depth for one in newest.quality]) == (3, [6, 7, 8, 9])


def test_what_was_fitted_to_a_size_serves_the_measured_version_too() -> None:
    manifest, raw = factories.learngene()
    size = Size(3, 32)
    child = replace(manifest, name=gene.fitted_name("tiny", size), parent=Parent(manifest.reference, manifest.digest))
    catalog = factories.catalog(None, (manifest, raw), (child, raw))
    measured = publish_measured(manifest, [top1(8, 32, 0.4)], catalog=catalog)
    assert catalog.fitted(measured, size) == child
    other, more = factories.learngene(seed=1, version=3)
    catalog.publish(other, [more])
    assert catalog.fitted(other, size) is None

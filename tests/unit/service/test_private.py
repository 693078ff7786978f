from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import factories
import pytest
from learngenes_service.access.keys import FRESH_SECONDS
from learngenes_service.access.private import Marks, PublicCatalog
from unit.service.test_keys import Clock

from learngenes.catalog import Catalog
from learngenes.errors import LearngeneNotFound
from learngenes.gene import Parent
from learngenes.store.memory import MemoryStore


def published() -> Catalog:
    """Two learngenes, and one that completes the second under a name of its own."""
    secret, raw = factories.learngene(name="secret", seed=1)
    heir = replace(secret, name="heir", parent=Parent(secret.reference, secret.digest))
    return factories.catalog(None, factories.learngene(), (secret, raw), (heir, raw))


class Watched(MemoryStore):
    """A store that remembers which lists and which marks it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def keys(self, prefix: str) -> Iterator[str]:
        self.asked.append(f"{prefix}/")
        return super().keys(prefix)

    def read(self, key: str) -> bytes:
        self.asked += [key] if key.startswith("private/") else []
        return super().read(key)


def seen_by_all(catalog: Catalog, clock: Clock | None = None) -> PublicCatalog:
    return PublicCatalog(catalog, Marks(catalog, clock=clock or Clock()))


def test_without_marks_everything_is_public() -> None:
    catalog = published()
    assert seen_by_all(catalog).names() == catalog.names() == ["heir", "secret", "tiny"]


def test_a_private_learngene_and_what_completes_it_is_not_there() -> None:
    catalog = published()
    catalog.set_private("secret", True)
    public = seen_by_all(catalog)
    assert public.names() == ["tiny"]
    assert public.versions("secret") == []
    for reference in ("secret", "secret@1", "heir", "heir@1", "secret@best"):
        with pytest.raises(LearngeneNotFound) as missing:
            public.get(reference)
        assert missing.value.known == ("tiny",)
    assert public.get("tiny") is catalog.get("tiny")
    assert catalog.names() == ["heir", "secret", "tiny"]


def test_an_alias_leads_to_nothing_private() -> None:
    catalog = published()
    catalog.move_alias("secret", "best", 1)
    assert seen_by_all(catalog).get("secret@best").reference == "secret@1"
    catalog.set_private("secret", True)
    public = seen_by_all(catalog)
    assert public.aliases("secret") == {}
    with pytest.raises(LearngeneNotFound):
        public.get("secret@best")


def test_neither_versions_nor_aliases_are_told_of_what_completes_something_private() -> None:
    catalog = published()
    catalog.move_alias("heir", "best", 1)
    public = seen_by_all(catalog)
    assert (public.versions("heir"), public.aliases("heir")) == ([1], {"best": 1})
    catalog.set_private("secret", True)
    public = seen_by_all(catalog)
    assert (public.versions("heir"), public.aliases("heir")) == ([], {})


def test_what_is_open_is_shared() -> None:
    catalog = published()
    public = seen_by_all(catalog)
    assert public.open(public.get("tiny")) is catalog.open(catalog.get("tiny"))


def test_a_mark_counts_after_ten_seconds_and_so_does_its_end() -> None:
    catalog, clock = published(), Clock()
    public = seen_by_all(catalog, clock)
    for private in (True, False):
        before = public.names()
        catalog.set_private("secret", private)
        assert public.names() == before
        clock.now += FRESH_SECONDS
        assert ("secret" in public.names()) is not private


def test_what_is_marked_before_it_is_published_is_never_seen() -> None:
    catalog = factories.catalog(None, factories.learngene())
    public = seen_by_all(catalog)
    for asked in ("late", "late@1"):
        with pytest.raises(LearngeneNotFound):
            public.get(asked)
    catalog.set_private("late", True)
    manifest, raw = factories.learngene(name="late")
    catalog.publish(manifest, [raw])
    assert public.names() == ["tiny"]
    with pytest.raises(LearngeneNotFound):
        public.get("late")


def test_whether_a_manifest_is_private_is_known_without_the_store_for_a_while() -> None:
    catalog, clock = published(), Clock()
    catalog.set_private("secret", True)
    marks = Marks(catalog, clock=clock)
    heir, tiny = catalog.get("heir"), catalog.get("tiny")
    assert marks.known(tiny) is None
    assert (marks.hide(tiny), marks.hide(heir)) == (False, True)
    assert (marks.known(tiny), marks.known(heir)) == (False, True)
    clock.now += FRESH_SECONDS
    assert marks.known(tiny) is None


def test_however_many_learngenes_there_are_a_list_is_one_look_and_an_unknown_name_a_few() -> None:
    store = Watched()
    factories.catalog(None, *(factories.learngene(name=name) for name in ("a", "b", "c")), store=store)
    catalog = Catalog(store)
    catalog.set_private("c", True)
    public = seen_by_all(catalog)
    store.asked.clear()
    assert public.names() == ["a", "b"]
    assert sorted(store.asked[:3]) == ["learngenes/", "learngenes/", "private/"]
    store.asked.clear()
    assert public.names() == ["a", "b"]
    assert store.asked == ["learngenes/"]
    for name in ("nobody", "somebody"):
        store.asked.clear()
        with pytest.raises(LearngeneNotFound):
            public.get(name)
        marks, versions = [f"private/{name}"] * 2, [f"learngenes/{name}/"] * 2
        assert store.asked == [*marks, *versions, "learngenes/"]


def test_what_was_fitted_before_its_parent_was_marked_is_hidden_by_its_name() -> None:
    catalog, clock = published(), Clock()
    marks = Marks(catalog, clock=clock)
    assert not any(marks.hides(name) for name in ("heir", "secret", "tiny", "nobody"))
    catalog.set_private("secret", True)
    clock.now += FRESH_SECONDS
    assert [marks.hides(name) for name in ("heir", "secret", "tiny", "nobody")] == [True, True, False, False]
    secret = catalog.get("secret")
    late, raw = factories.learngene(name="late", seed=1)
    late = replace(late, parent=Parent(secret.reference, secret.digest))
    catalog.publish(late, [raw])
    assert marks.hides("late")

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from learngenes_service.access.keys import FRESH_SECONDS, SCOPES, Keys

from learngenes.errors import InvalidKey, InvalidValue, UnknownName
from learngenes.store.memory import MemoryStore

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


class Clock:
    """Seconds that pass when told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_key_is_found_with_its_name_and_scope() -> None:
    keys = Keys(MemoryStore())
    text = keys.add("ada", "train", at=NOW)
    found = keys.find(text)
    assert found is not None
    assert (found.name, found.scope, found.created) == ("ada", "train", "2026-05-04T03:02:01+00:00")
    assert keys.all() == [found]


def test_the_store_holds_nothing_that_opens_anything() -> None:
    store = MemoryStore()
    keys = Keys(store)
    text = keys.add("ada", "admin", at=NOW)
    (place,) = store.keys("keys")
    assert place == f"keys/{hashlib.sha256(text.encode()).hexdigest()}.json"
    assert text.encode() not in store.read(place)
    assert keys.find(place) is None
    assert keys.find(f"lgz_{place}") is None


@pytest.mark.parametrize("text", ["", "lgz_", "lgz_" + "a" * 43, "lgz_" + "a" * 10_000, "\udcff", "../../keys"])
def test_another_text_is_no_key(text: str) -> None:
    keys = Keys(MemoryStore())
    keys.add("ada", "train", at=NOW)
    assert keys.find(text) is None
    assert keys.known(text) is None


def test_a_revoked_key_opens_nothing_after_ten_seconds_even_where_it_is_remembered() -> None:
    store, clock = MemoryStore(), Clock()
    service = Keys(store, clock=clock)
    text = service.add("ada", "train", at=NOW)
    assert service.find(text) is not None
    Keys(store).revoke("ada")
    clock.now += FRESH_SECONDS - 0.1
    assert service.known(text) is not None
    clock.now += 0.1
    assert service.known(text) is None
    assert service.find(text) is None
    assert FRESH_SECONDS <= 10


def test_a_new_key_works_at_once() -> None:
    store = MemoryStore()
    service, command = Keys(store), Keys(store)
    assert service.find("lgz_" + "a" * 43) is None
    assert service.find(command.add("ada", "read", at=NOW)) is not None


def test_names_are_given_once_until_revoked() -> None:
    keys = Keys(MemoryStore())
    first = keys.add("ada", "read", at=NOW)
    with pytest.raises(InvalidValue, match="'ada'"):
        keys.add("ada", "train", at=NOW)
    keys.revoke("ada")
    assert keys.add("ada", "train", at=NOW) != first
    with pytest.raises(UnknownName, match="did you mean 'ada'"):
        keys.revoke("adda")


@pytest.mark.parametrize("name", ["", "Ada", "../x", "a" * 65])
def test_a_name_is_plain(name: str) -> None:
    with pytest.raises(InvalidKey):
        Keys(MemoryStore()).add(name, "read", at=NOW)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"name": "x", "scope": "root", "created": ""}', b"\xff"])
def test_a_broken_record_opens_nothing(raw: bytes) -> None:
    store = MemoryStore()
    keys = Keys(store)
    text = keys.add("ada", "read", at=NOW)
    (place,) = store.keys("keys")
    store.delete(place)
    store.create(place, [raw])
    assert keys.find(text) is None
    assert keys.all() == []


def test_scopes_are_in_order() -> None:
    assert SCOPES == ("read", "train", "admin")

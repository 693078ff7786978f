"""Bearer keys. The store holds their digests: who can read it can't use them.

keys/<sha256 of the key>.json    {"name", "scope", "created"}

A key is 32 random bytes, so one round of sha256 is enough, and finding it by its digest gives nothing away in time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from learngenes.errors import BlobNotFound, InvalidValue, UnknownName
from learngenes.store import Store, check_name
from learngenes_service.settings import Scope

SCOPES: tuple[Scope, ...] = get_args(Scope)
"""What a key may do, each including those before it."""

FRESH_SECONDS = 10.0
"""A revoked key, or a mark of privacy, counts after this at the latest."""

KEPT = 10_000
"""Keys remembered at once."""

_KEY = re.compile(r"lgz_[A-Za-z0-9_-]{43}", re.ASCII)
log = logging.getLogger("learngenes.service")


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key, which is not the key."""

    digest: str
    name: str
    scope: Scope
    created: str


class Keys:
    """The keys of a store; those found of late are remembered for FRESH_SECONDS. Safe to use from several threads."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._found: OrderedDict[str, tuple[float, Key]] = OrderedDict()

    def add(self, name: str, scope: Scope, *, at: datetime) -> str:
        """A new key, which nobody can show again. InvalidValue if there is one of that name."""
        check_name(name)
        if scope not in SCOPES:
            raise UnknownName("scope", scope, SCOPES)
        if any(key.name == name for key in self.all()):
            raise InvalidValue(f"there is a key named {name!r}: revoke it first, or choose another name")
        text = f"lgz_{secrets.token_urlsafe(32)}"
        record = {"name": name, "scope": scope, "created": at.isoformat(timespec="seconds")}
        self._store.create(_place(_digest(text)), [json.dumps(record).encode()])
        return text

    def all(self) -> list[Key]:
        """Every key, by name."""
        digests = [key.rsplit("/", 1)[1].removesuffix(".json") for key in self._store.keys("keys")]
        return sorted(filter(None, map(self._read, digests)), key=lambda key: key.name)

    def revoke(self, name: str) -> None:
        """No request with this key is answered from now on, or in FRESH_SECONDS by who remembers it."""
        keys = self.all()
        found = [key for key in keys if key.name == name]
        if not found:
            raise UnknownName("key", name, [key.name for key in keys])
        for key in found:
            self._store.delete(_place(key.digest))

    def known(self, text: str) -> Key | None:
        """The key if it was found of late, without asking the store."""
        expires, key = self._found.get(_digest(text), (0.0, None))
        return key if self._clock() < expires else None

    def find(self, text: str) -> Key | None:
        """The key, if there is such a one."""
        if not _KEY.fullmatch(text):
            return None
        digest = _digest(text)
        key = self._read(digest)
        if key is None:
            self._found.pop(digest, None)
            return None
        self._found[digest] = (self._clock() + FRESH_SECONDS, key)
        while len(self._found) > KEPT:
            self._found.popitem(last=False)
        return key

    def _read(self, digest: str) -> Key | None:
        try:
            record = json.loads(self._store.read(_place(digest)))
            return Key(digest, str(record["name"]), SCOPES[SCOPES.index(record["scope"])], str(record["created"]))
        except BlobNotFound:
            return None
        except (ValueError, KeyError, TypeError):
            log.exception("the record of key %s is not one: it opens nothing", digest[:12])
            return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _place(digest: str) -> str:
    return f"keys/{digest}.json"

"""Where learngenes live: five verbs over keys such as `blobs/sha256/<hex>`; every backend keeps the same promises.

Nothing is ever rewritten: a key that exists keeps its bytes until it is deleted. That is the only primitive that a
directory and every object store share, and it is enough: blobs are named by their digest, versions are numbered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from learngenes.errors import InvalidKey
from learngenes.tensorfile import Buffer

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_PART = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class Store(Protocol):
    """Keys to bytes. All verbs raise InvalidKey for what `check_key` refuses, and OSError if the store itself fails."""

    def create(self, key: str, pieces: Iterable[bytes | memoryview]) -> None:
        """Keep the joined pieces under key, whole or not at all; BlobExists if the key is taken."""

    def read(self, key: str) -> bytes:
        """The bytes under key, for small ones; BlobNotFound if there are none."""

    def open(self, key: str) -> Buffer:
        """The bytes under key without reading them into memory where that can be; BlobNotFound if there are none."""

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys below the folder `prefix`, sorted; none if there is no such folder."""

    def delete(self, key: str) -> None:
        """Forget key; BlobNotFound if it is not there."""


def scheme(url: str | Path) -> str:
    """`s3` of `s3://bucket/prefix`; `file` of a directory."""
    found = _SCHEME.match(str(url))
    return found[1].lower() if found else "file"


def is_directory(url: str | Path) -> bool:
    """Whether a store's URL names a directory of this machine."""
    return scheme(url) == "file"


def is_key(key: str) -> bool:
    """Whether no backend can be led out of its root by this key."""
    return len(key) <= 400 and all(_PART.fullmatch(part) and ".." not in part for part in key.split("/"))


def check_key(key: str) -> str:
    """The key itself; InvalidKey if it is none."""
    if not is_key(key):
        raise InvalidKey(
            f"{key[:80]!r} can't be a key: parts of lower-case letters, digits, '.', '_' and '-', joined by '/', "
            f"each starting and ending with a letter or digit, without '..'"
        )
    return key


def check_name(name: str) -> str:
    """The name itself, if it can name a learngene; InvalidKey otherwise."""
    if not _NAME.fullmatch(name) or ".." in name or "--" in name:
        raise InvalidKey(
            f"{name[:80]!r} can't name a learngene: 1 to 64 lower-case letters, digits, '.', '_' and '-', "
            f"starting and ending with a letter or digit, without '..' or '--'"
        )
    return name

"""Names that are marked: their learngenes are not for everybody.

private/<name>    empty; the name may be anybody's yet
"""

from __future__ import annotations

import contextlib

from learngenes.errors import BlobExists, BlobNotFound
from learngenes.store import Store, check_name


def read(store: Store) -> frozenset[str]:
    """All of them."""
    return frozenset(key.partition("/")[2] for key in store.keys("private"))


def has(store: Store, name: str) -> bool:
    """Whether a name is marked."""
    try:
        store.read(f"private/{check_name(name)}")
    except BlobNotFound:
        return False
    return True


def put(store: Store, name: str, private: bool) -> None:
    """Mark a name, or take the mark away; nothing happens if it is so already."""
    key = f"private/{check_name(name)}"
    with contextlib.suppress(BlobExists, BlobNotFound):
        store.create(key, []) if private else store.delete(key)

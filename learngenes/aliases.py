"""Aliases of versions: they move, and yet nothing in the store is ever rewritten.

aliases/<name>/<alias>/<n> holds a version number; the highest n is where the alias points.
"""

from __future__ import annotations

from learngenes.errors import BlobExists, InvalidKey
from learngenes.names import check_new_alias
from learngenes.store import Store, check_name


def check_alias(alias: str) -> str:
    """The alias itself; InvalidKey if it can't be one, as a number can't."""
    if alias.isdecimal():
        raise InvalidKey(f"{alias[:80]!r} can't be an alias: it would read like a version; put a letter into it")
    return check_name(alias)


def check_movable(alias: str) -> str:
    """The alias itself; InvalidKey if none may be moved that is called so, though one from before may be there."""
    return check_new_alias(check_alias(alias))


def is_alias(text: str) -> bool:
    """Whether a text can be an alias."""
    try:
        return bool(check_alias(text))
    except InvalidKey:
        return False


def read(store: Store, name: str) -> dict[str, int]:
    """Where every alias of a learngene points."""
    newest = _newest(store, f"aliases/{check_name(name)}")
    return {alias: int(store.read(f"aliases/{name}/{alias}/{n}")) for alias, n in sorted(newest.items())}


def find(store: Store, name: str, alias: str) -> int | None:
    """Where one alias points; None if there is no such alias."""
    n = _newest(store, f"aliases/{check_name(name)}/{check_alias(alias)}").get(alias)
    return None if n is None else int(store.read(f"aliases/{name}/{alias}/{n}"))


def move(store: Store, name: str, alias: str, version: int) -> None:
    """Let it point there; nothing is written if it does. Of several at once, the last to write decides."""
    folder = f"aliases/{check_name(name)}/{check_movable(alias)}"
    while True:
        n = _newest(store, folder).get(alias, 0)
        if n and int(store.read(f"{folder}/{n}")) == version:
            return
        try:
            store.create(f"{folder}/{n + 1}", [str(version).encode()])
        except BlobExists:
            continue
        return


def _newest(store: Store, folder: str) -> dict[str, int]:
    """The highest number of every alias below a folder."""
    newest: dict[str, int] = {}
    for key in store.keys(folder):
        _, _, alias, n = key.split("/")
        newest[alias] = max(int(n), newest.get(alias, 0))
    return newest

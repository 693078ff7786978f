"""A store by what a user calls it: a directory, or the URL of a bucket."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

from learngenes.errors import InvalidValue
from learngenes.store import Store, is_directory, scheme
from learngenes.store.cached import CachedStore
from learngenes.store.local import LocalStore

CACHE_BYTES = 20 * 10**9
"""Disk that learngenes fetched from an object store may take, unless said."""


def open_store(url: str | Path, *, cache: Path | None = None, cache_bytes: int = CACHE_BYTES) -> Store:
    """The store at a directory or `file://` URL, or at `s3://`, `gs://` or `az://bucket/prefix`.

    cache: a directory for learngenes fetched from an object store, of at most cache_bytes; without one they are fetched
    anew by every process. InvalidValue for a URL that names no store.
    """
    if is_directory(url):
        return LocalStore(_directory(url))
    try:
        from learngenes.store.s3 import ObjectStore
    except ImportError as error:
        raise InvalidValue(f"a {scheme(url)}:// store needs obstore ({error}); pip install 'learngenes[s3]'") from error
    if cache is None:
        return ObjectStore(str(url))
    return CachedStore(ObjectStore(str(url), scratch=cache), cache, max_bytes=cache_bytes)


def _directory(url: str | Path) -> Path:
    if isinstance(url, Path) or "://" not in url:
        if not str(url):
            raise InvalidValue("a store is a directory or a URL such as s3://bucket/prefix, got ''")
        return Path(url)
    parts = urllib.parse.urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise InvalidValue(f"{url!r} names no directory of this machine; write file:///path or the path alone")
    return Path(urllib.parse.unquote(parts.path))

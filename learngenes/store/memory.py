"""A store in memory: the reference the others are compared with."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from learngenes.errors import BlobExists, BlobNotFound
from learngenes.store import check_key


class MemoryStore:
    """Keeps everything in one dictionary; gone with the process."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def create(self, key: str, pieces: Iterable[bytes | memoryview]) -> None:
        """See Store."""
        check_key(key)
        data = b"".join(pieces)
        with self._lock:
            if key in self._blobs:
                raise BlobExists(key)
            self._blobs[key] = data

    def read(self, key: str) -> bytes:
        """See Store."""
        try:
            return self._blobs[check_key(key)]
        except KeyError:
            raise BlobNotFound(key) from None

    def open(self, key: str) -> bytes:
        """See Store."""
        return self.read(key)

    def keys(self, prefix: str) -> Iterator[str]:
        """See Store."""
        folder = check_key(prefix) + "/"
        yield from sorted(key for key in list(self._blobs) if key.startswith(folder))

    def delete(self, key: str) -> None:
        """See Store."""
        try:
            del self._blobs[check_key(key)]
        except KeyError:
            raise BlobNotFound(key) from None

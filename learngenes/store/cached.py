"""Learngenes of an object store on the disk of this machine: fetched once, verified, longest unused leaves first."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Protocol

from learngenes.errors import CorruptLearngene, StoreUnavailable
from learngenes.store import Store
from learngenes.store.local import STAGING
from learngenes.store.room import alone, make_room, mark_used
from learngenes.tensorfile import Buffer, FileMap

_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")
_LOCKS = 64


class Remote(Store, Protocol):
    """A store that can be read piece by piece."""

    def fetch(self, key: str) -> Iterator[memoryview]:
        """The bytes under key in pieces; BlobNotFound if there are none."""


class CachedStore:
    """A remote store of which `open` keeps the files that are named by their digest in a directory.

    Whatever is opened was compared with its digest just before: a file that has rotted is fetched anew. Processes may
    share the directory. It holds at most max_bytes, beside what is being fetched or is still open after it left; a
    larger file is fetched whenever it is opened. All other verbs ask the remote.
    """

    def __init__(self, remote: Remote, directory: Path, *, max_bytes: int) -> None:
        self._remote = remote
        self._directory = directory
        self._max_bytes = max_bytes
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def create(self, key: str, pieces: Iterable[bytes | memoryview]) -> None:
        """See Store."""
        self._remote.create(key, pieces)

    def read(self, key: str) -> bytes:
        """See Store."""
        return self._remote.read(key)

    def open(self, key: str) -> Buffer:
        """See Store: a map of the cached file. CorruptLearngene if the remote's bytes are not those of the key."""
        found = _BLOB.fullmatch(key)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            if not found:
                return self._remote.open(key)
            with self._locks[int(found[1][:8], 16) % _LOCKS]:  # however many want it, it is fetched once
                cached = self._cached(found[1])
                return self._fetched(key, found[1]) if cached is None else cached
        except StoreUnavailable:
            raise
        except OSError as error:
            raise StoreUnavailable(f"can't keep {key!r} in the cache {self._directory}: {error}") from error

    def keys(self, prefix: str) -> Iterator[str]:
        """See Store."""
        return self._remote.keys(prefix)

    def delete(self, key: str) -> None:
        """See Store: gone from here too; another machine may keep it until it leaves its cache."""
        self._remote.delete(key)
        if found := _BLOB.fullmatch(key):
            (self._directory / found[1]).unlink(missing_ok=True)

    def _cached(self, digest: str) -> Buffer | None:
        path = self._directory / digest
        try:
            with path.open("rb") as file:
                opened = _map(file)
        except FileNotFoundError:
            return None
        if hashlib.sha256(opened).hexdigest() != digest:
            path.unlink(missing_ok=True)
            return None
        mark_used(path)
        return opened

    def _fetched(self, key: str, digest: str) -> Buffer:
        handle, name = tempfile.mkstemp(prefix=STAGING, dir=self._directory)
        staging = Path(name)
        try:
            with os.fdopen(handle, "w+b") as file:
                sha256 = hashlib.sha256()
                for piece in self._remote.fetch(key):
                    sha256.update(piece)
                    file.write(piece)
                file.flush()
                if sha256.hexdigest() != digest:
                    raise CorruptLearngene(f"the store's {key!r} has sha256 {sha256.hexdigest()[:12]}")
                if file.tell() <= self._max_bytes:
                    os.fchmod(file.fileno(), 0o644)
                    self._keep(staging, digest, file.tell())
                return _map(file)
        finally:
            staging.unlink(missing_ok=True)

    def _keep(self, staging: Path, digest: str, size: int) -> None:
        with alone(self._directory):
            make_room(self._directory, size, max_bytes=self._max_bytes)
            staging.replace(self._directory / digest)


def _map(file: IO[bytes]) -> Buffer:
    return FileMap(file.fileno()) if os.fstat(file.fileno()).st_size else b""

"""Directories of files that can be had again: bounded by bytes, the longest unused leaving first."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from learngenes.store import is_key
from learngenes.store.local import STAGING, LocalStore
from learngenes.tensorfile import FileMap

ABANDONED_SECONDS = 3600
"""A file in the making that was not written to for so long is what a killed process left."""


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Alone among the threads and processes that change what the directory holds."""
    with (directory / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make_room(directory: Path, size: int, *, max_bytes: int) -> None:
    """Delete what was used longest ago until a file of this size fits, or nothing is left."""
    kept, total = [], size
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process makes room as well
            facts = path.stat()
            if is_key(path.name):
                kept.append((facts.st_mtime_ns, facts.st_size, path))
                total += facts.st_size
            elif path.name.startswith(STAGING) and time.time() - facts.st_mtime > ABANDONED_SECONDS:
                path.unlink()
    for _, taken, path in sorted(kept):
        if total <= max_bytes:
            break
        path.unlink(missing_ok=True)
        total -= taken


def mark_used(path: Path) -> None:
    """It was used now."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        os.utime(path)


class BoundedStore(LocalStore):
    """A directory without folders that forgets: of max_bytes at most, or of the newest file alone."""

    def __init__(self, root: Path, *, max_bytes: int) -> None:
        super().__init__(root)
        self._max_bytes = max_bytes

    def create(self, key: str, pieces: Iterable[bytes | memoryview]) -> None:
        """See Store."""
        size = 0

        def counted() -> Iterator[bytes | memoryview]:
            nonlocal size
            for piece in pieces:
                size += memoryview(piece).nbytes
                yield piece

        super().create(key, counted())
        with alone(self.root):
            make_room(self.root, 0, max_bytes=max(self._max_bytes, size))

    def open(self, key: str) -> FileMap | bytes:
        """See Store; this is a use."""
        opened = super().open(key)
        mark_used(self.root / key)
        return opened

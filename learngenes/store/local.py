"""A store in a directory: what a reader sees is whole, also after a crash or a power cut."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from learngenes.errors import BlobExists, BlobNotFound, InvalidKey
from learngenes.store import check_key, is_key
from learngenes.tensorfile import FileMap

STAGING = ".staging-"
"""How the name of a file starts that is not whole yet."""


class LocalStore:
    """One file a key below root, which is made when first written to. Nobody else may write there.

    A file is written beside its place, flushed to disk and then linked, which fails if the place is taken: of two
    writers one wins and the other learns it. A link that leads out of root is refused.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self, key: str, pieces: Iterable[bytes | memoryview]) -> None:
        """See Store."""
        path = self._path(key)
        if path.exists():
            raise BlobExists(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise InvalidKey(f"{key!r} lies below a key that is taken") from None
        handle, name = tempfile.mkstemp(prefix=STAGING, dir=path.parent)
        staging = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(pieces)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            try:
                os.link(staging, path)
            except FileExistsError:
                raise BlobExists(key) from None
        finally:
            staging.unlink(missing_ok=True)
        _flush_folder(path.parent)

    def read(self, key: str) -> bytes:
        """See Store."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise BlobNotFound(key) from None

    def open(self, key: str) -> FileMap | bytes:
        """See Store: a read-only map of the file."""
        try:
            with self._path(key).open("rb") as file:
                if os.fstat(file.fileno()).st_size == 0:
                    return b""
                return FileMap(file.fileno())
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise BlobNotFound(key) from None

    def keys(self, prefix: str) -> Iterator[str]:
        """See Store: staging files and anything else that can't be a key are passed over."""
        folder = self._path(prefix)
        found = (
            path.relative_to(self.root).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and not path.is_symlink()
        )
        yield from sorted(key for key in found if is_key(key))

    def delete(self, key: str) -> None:
        """See Store."""
        path = self._path(key)
        try:
            path.unlink()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise BlobNotFound(key) from None
        _flush_folder(path.parent)

    def _path(self, key: str) -> Path:
        path = self.root / check_key(key)
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise InvalidKey(f"{key!r} leads out of the store by a link")
        return path


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

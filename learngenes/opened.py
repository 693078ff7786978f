"""The tensors of a store's learngenes: opened verified, converted once, the last used kept open."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from pathlib import Path

from learngenes import gene, header, tensorfile
from learngenes.errors import BlobExists, BlobNotFound
from learngenes.formulas import VERSION
from learngenes.gene import Manifest
from learngenes.recent import Recent
from learngenes.store import Store
from learngenes.store.memory import MemoryStore
from learngenes.store.room import BoundedStore
from learngenes.tensorfile import TensorFile

KEPT_FILES = 128
"""Files kept open, each with a descriptor."""
VARIANTS_BYTES = 20 * 10**9


class Files:
    """Files opened of late are kept open: they are maps, shared by every reader. The arguments are Catalog's."""

    def __init__(self, store: Store, *, variants: Path | None, variants_bytes: int, open_bytes: float) -> None:
        self._store = store
        self._variants: Store = BoundedStore(variants, max_bytes=variants_bytes) if variants else MemoryStore()
        self._opened: Recent[tuple[str, str], TensorFile] = Recent(KEPT_FILES, weight=open_bytes)
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)

    def open(self, manifest: Manifest, dtype: str) -> TensorFile:
        """See Catalog."""
        key = (manifest.weights.sha256, dtype)
        opened = self._opened.get(key)
        if opened is None:
            try:
                with self._locks[key]:  # of this file alone: opening one learngene does not hold up another
                    opened = self._opened.get(key)
                    if opened is None:
                        own = dtype == manifest.dtype
                        opened = self._verified(manifest) if own else self._converted(manifest, dtype)
                        self._opened.put(key, opened, weight=len(opened.view))
            finally:
                self._locks.pop(key, None)  # whoever waits for it still holds it, and finds the file
        return opened

    def _verified(self, manifest: Manifest) -> TensorFile:
        tensors = TensorFile(self._store.open(blob_of(manifest)))
        gene.verify(manifest, tensors)
        return tensors

    def _converted(self, manifest: Manifest, dtype: str) -> TensorFile:
        """The learngene in another dtype: a file, or in memory where other processes need the room again and again."""
        header.item_bytes(dtype)
        stored = self.open(manifest, manifest.dtype)
        key = f"{manifest.weights.sha256}-{dtype.lower()}-{VERSION}"
        for _ in range(2):
            with contextlib.suppress(BlobNotFound):  # another process needed the room just now
                return self._variant(key, stored, dtype)
        return TensorFile(b"".join(tensorfile.convert(stored, dtype)))

    def _variant(self, key: str, stored: TensorFile, dtype: str) -> TensorFile:
        """What an earlier process left is compared with what it should be."""
        try:
            self._variants.create(key, tensorfile.convert(stored, dtype))
        except BlobExists:
            if not tensorfile.equal(self._variants.open(key), tensorfile.convert(stored, dtype)):
                self._variants.delete(key)
                with contextlib.suppress(BlobExists):  # another process was faster
                    self._variants.create(key, tensorfile.convert(stored, dtype))
        return TensorFile(self._variants.open(key))


def blob_of(manifest: Manifest) -> str:
    """The key of a learngene's own file."""
    return f"blobs/sha256/{manifest.weights.sha256}"

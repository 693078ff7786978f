"""A store that counts what fails in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from learngenes.store import Store
from learngenes.tensorfile import Buffer
from learngenes_service.telemetry.metrics import Metrics


class CountedStore:
    """Another store, whose failures (OSError, StoreUnavailable too) are counted; that a key is taken is none."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    def create(self, key: str, pieces: Iterable[bytes | memoryview]) -> None:
        """See Store."""
        with self._counted("create"):
            self._store.create(key, pieces)

    def read(self, key: str) -> bytes:
        """See Store."""
        with self._counted("read"):
            return self._store.read(key)

    def open(self, key: str) -> Buffer:
        """See Store."""
        with self._counted("open"):
            return self._store.open(key)

    def keys(self, prefix: str) -> Iterator[str]:
        """See Store."""
        with self._counted("keys"):
            yield from self._store.keys(prefix)

    def delete(self, key: str) -> None:
        """See Store."""
        with self._counted("delete"):
            self._store.delete(key)

    @contextmanager
    def _counted(self, operation: str) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._metrics.store_failed(operation)
            raise

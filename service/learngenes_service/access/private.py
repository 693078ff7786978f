"""What callers without a key do not see: learngenes that are marked private, and what completes them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from learngenes.catalog import Catalog
from learngenes.errors import LearngeneNotFound, LearngenesError
from learngenes.gene import Manifest
from learngenes_service.access.keys import FRESH_SECONDS


class Marks:
    """Which learngenes of a catalog are private. Safe to use from several threads.

    A learngene that was public counts as such for FRESH_SECONDS; for one that was not there before the marks are read
    anew, so what is marked first and published then is never seen.
    """

    def __init__(self, catalog: Catalog, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._catalog = catalog
        self._clock = clock
        self._lock = threading.Lock()
        self._read = _Read(-math.inf, frozenset(), frozenset())

    def hide(self, manifest: Manifest) -> bool:
        """Whether this learngene is private, or the one that it completes."""
        return any(self.has(name) for name in _names(manifest))

    def known(self, manifest: Manifest) -> bool | None:
        """The same without asking the store; None if that takes it."""
        read, names = self._read, _names(manifest)
        if self._clock() >= read.until or not names <= read.private | read.public:
            return None
        return not names.isdisjoint(read.private)

    def has(self, name: str) -> bool:
        """Whether a learngene of this name is marked, there or not."""
        with self._lock:
            read = self._read
            if self._clock() >= read.until:
                names = self._catalog.names()  # before the marks: whose name is here has its mark there
                private = self._catalog.private()
                self._read = _Read(self._clock() + FRESH_SECONDS, private, frozenset(names) - private)
            elif name not in read.public and name not in read.private:
                self._read = replace(read, private=self._catalog.private())
            return name in self._read.private


@dataclass(frozen=True, slots=True)
class _Read:
    """Names as they were read; good until a time of the clock."""

    until: float
    private: frozenset[str]
    public: frozenset[str]


def _names(manifest: Manifest) -> set[str]:
    parent = manifest.parent
    return {manifest.name} if parent is None else {manifest.name, parent.learngene.partition("@")[0]}


class PublicCatalog(Catalog):
    """A catalog without its private learngenes. All that it holds is the whole one's: both have the same attributes."""

    def __init__(self, whole: Catalog, marks: Marks) -> None:
        self.__dict__ = whole.__dict__
        self._whole = whole
        self._marks = marks

    def names(self) -> list[str]:
        """See Catalog."""
        return [name for name in super().names() if self._shows(name)]

    def versions(self, name: str) -> list[int]:
        """See Catalog."""
        return [] if self._marks.has(name) else super().versions(name)

    def aliases(self, name: str) -> dict[str, int]:
        """See Catalog."""
        return {} if self._marks.has(name) else super().aliases(name)

    def get(self, reference: str) -> Manifest:
        """See Catalog."""
        if not self._marks.has(reference.partition("@")[0]):
            manifest = super().get(reference)
            if not self._marks.hide(manifest):
                return manifest
        raise LearngeneNotFound(reference, self.names())

    def _shows(self, name: str) -> bool:
        if self._marks.has(name):
            return False
        try:
            return not self._marks.hide(self._whole.get(name))
        except LearngenesError:
            return True

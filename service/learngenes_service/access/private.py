"""What callers without a key do not see: learngenes that are marked private, and what completes them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from learngenes.catalog import Catalog
from learngenes.errors import LearngeneNotFound, LearngenesError, StoreUnavailable
from learngenes.gene import Manifest
from learngenes_service.access.keys import FRESH_SECONDS


class Marks:
    """Which learngenes of a catalog are private. Safe to use from several threads.

    A learngene that was public counts as such for FRESH_SECONDS; of one that was not there before the mark is looked
    for each time, so what is marked first and published then is never seen.
    """

    def __init__(self, catalog: Catalog, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._catalog = catalog
        self._clock = clock
        self._lock = threading.Lock()
        self._read = _Read(-math.inf, frozenset(), frozenset(), {})

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
        read = self._fresh()
        if name in read.private or name in read.public:
            return name in read.private
        return self._catalog.is_private(name)

    def hides(self, name: str) -> bool:
        """Whether a learngene of this name is marked, or its newest version completes one that is; there or not."""
        read = self._fresh()
        if name in read.private or name in read.public:
            return name in read.private or self._is_marked(read.completes.get(name), read)
        if self.has(name):
            return True
        versions = self._catalog.versions(name)
        return bool(versions) and self._is_marked(self._completed(f"{name}@{versions[-1]}"), read)

    def _is_marked(self, name: str | None, read: _Read) -> bool:
        return name is not None and (name in read.private or (name not in read.public and self.has(name)))

    def _fresh(self) -> _Read:
        read = self._read
        if self._clock() < read.until:
            return read
        with self._lock:
            if self._clock() >= self._read.until:
                newest = self._catalog.newest()  # before the marks: whose name is here has its mark there
                private = self._catalog.private()
                completes = {}
                if private:  # else nothing completes what is
                    references = (f"{name}@{version}" for name, version in newest.items() if name not in private)
                    completes = {one.partition("@")[0]: self._completed(one) for one in references}
                public = frozenset(newest) - private
                self._read = _Read(self._clock() + FRESH_SECONDS, private, public, completes)
            return self._read

    def _completed(self, reference: str) -> str | None:
        """Name of the learngene that this one completes, if any."""
        try:
            parent = self._catalog.get(reference).parent
        except StoreUnavailable:
            raise
        except LearngenesError:  # broken: it can't be served, and is listed for who repairs it
            return None
        return None if parent is None else parent.learngene.partition("@")[0]


@dataclass(frozen=True, slots=True)
class _Read:
    """Names as they were read, and whom the newest version completes; good until a time of the clock."""

    until: float
    private: frozenset[str]
    public: frozenset[str]
    completes: Mapping[str, str | None]


def _names(manifest: Manifest) -> set[str]:
    parent = manifest.parent
    return {manifest.name} if parent is None else {manifest.name, parent.learngene.partition("@")[0]}


class PublicCatalog(Catalog):
    """A catalog without its private learngenes. All that it holds is the whole one's: both have the same attributes."""

    def __init__(self, whole: Catalog, marks: Marks) -> None:
        self.__dict__ = whole.__dict__
        self._marks = marks

    def names(self) -> list[str]:
        """See Catalog."""
        return [name for name in super().names() if not self._marks.hides(name)]

    def versions(self, name: str) -> list[int]:
        """See Catalog."""
        return [] if self._marks.hides(name) else super().versions(name)

    def aliases(self, name: str) -> dict[str, int]:
        """See Catalog."""
        return {} if self._marks.hides(name) else super().aliases(name)

    def get(self, reference: str, *, yanked: bool = False) -> Manifest:
        """See Catalog."""
        if not self._marks.has(reference.partition("@")[0]):
            manifest = super().get(reference, yanked=yanked)
            if not self._marks.hide(manifest):
                return manifest
        raise LearngeneNotFound(reference, self.names())

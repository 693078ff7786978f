"""A store that fails or dies at a chosen point of what is written to it; with `cuts`, at every point in turn.

for point, store in cuts(MemoryStore, lambda store: Catalog(store).publish(manifest, [raw])):
    ...  # what a process that starts now finds, after the writer died at this point
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from learngenes.store import Store
from learngenes.tensorfile import Buffer


class Died(BaseException):
    """The process that wrote ended here: nothing of it catches this but `finally`."""


class FaultyStore:
    """Another store, of which each create has three points (before, during, after), each delete two (before, after).

    At point number `at`, counted from 0, `error` is raised. After Died every verb raises it again: the writer is dead.
    After any other error all works again. reached: the points so far.
    """

    def __init__(self, store: Store, at: int, *, error: BaseException | None = None) -> None:
        self._store = store
        self._at = at
        self._error = Died() if error is None else error
        self.reached: list[str] = []

    def create(self, key: str, pieces: Iterable[bytes | memoryview]) -> None:
        """See Store. Before: nothing was sent; during: half was; after: it is kept, and the caller never learns it."""
        self._point(f"before create {key}")
        self._store.create(key, self._halved(key, pieces))
        self._point(f"after create {key}")

    def read(self, key: str) -> bytes:
        """See Store."""
        self._check()
        return self._store.read(key)

    def open(self, key: str) -> Buffer:
        """See Store."""
        self._check()
        return self._store.open(key)

    def keys(self, prefix: str) -> Iterator[str]:
        """See Store."""
        self._check()
        return self._store.keys(prefix)

    def delete(self, key: str) -> None:
        """See Store."""
        self._point(f"before delete {key}")
        self._store.delete(key)
        self._point(f"after delete {key}")

    def _halved(self, key: str, pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        for number, piece in enumerate(pieces):
            if number == 0:
                yield piece[: len(piece) // 2]
                self._point(f"during create {key}")
                yield piece[len(piece) // 2 :]
            else:
                yield piece

    def _point(self, name: str) -> None:
        self._check()
        self.reached.append(name)
        if len(self.reached) == self._at + 1:
            raise self._error

    def _check(self) -> None:
        if isinstance(self._error, Died) and len(self.reached) > self._at:
            raise Died


def cuts(
    make: Callable[[], Store], write: Callable[[Store], object], *, error: BaseException | None = None
) -> Iterator[tuple[str, Store]]:
    """The point and the store, for every point at which `write` can be cut, each time on a new store.

    make: a new store with what was there before. error: see FaultyStore. Ends when `write` comes to its own end; a
    write that never reaches a point yields nothing, which a test should notice.
    """
    at = 0
    while True:
        store = make()
        faulty = FaultyStore(store, at, error=error)
        try:
            write(faulty)
        except BaseException as raised:
            if not isinstance(raised, Died) and raised is not error:
                raise
        if len(faulty.reached) <= at:
            return
        yield faulty.reached[at], store
        at += 1

"""Files that were uploaded and wait to be published.

staged/<unix seconds>-<bytes>-<sha256>-<owner>         in the store, so that any replica publishes what another got
staged/<unix seconds>-<bytes>-<sha256>-<owner>.done    a mark: it was published, and goes when its room is needed

What comes in is written to the data directory first and gets there once it is whole, checked and of the digest that was
said. Blocking: call it in threads.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from learngenes.errors import BlobExists, BlobNotFound
from learngenes.store import Store
from learngenes.tensorfile import TensorFile
from learngenes_service.publishing.room import Room, roomy
from learngenes_service.publishing.upload import Upload

KEPT_SECONDS = 86_400
"""What was not published a day after it was uploaded is forgotten."""

PROMISED_SECONDS = 3600
"""Who is told that a file need not be sent has so long to publish it."""

DONE_SECONDS = 600
"""What was published waits so long for who publishes the same bytes once more."""

ABANDONED_SECONDS = 3600
"""A file in the making that was not written to for so long is what a killed process left."""

OWNER_DIGITS = 16
UPLOADS = "upload-"

_KEY = re.compile(r"staged/([0-9]{1,15})-([0-9]{1,18})-([0-9a-f]{64})-([0-9a-f]{16})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Staged:
    """A file that waits. owner: whose upload it was; done: it was published."""

    key: str
    since: int
    bytes: int
    sha256: str
    owner: str
    done: bool


class Staging:
    """The files that wait in a store. directory: for what is being sent; see Room for the others."""

    def __init__(
        self,
        store: Store,
        directory: Path,
        *,
        most_bytes: int,
        each_bytes: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self._lock = threading.Lock()
        self._room = Room(directory, most_bytes=most_bytes, each_bytes=each_bytes or most_bytes)

    def find(self, sha256: str, owner: str | None) -> Staged | None:
        """The file of this digest that this owner uploaded, if it waits; anybody's for None."""
        return next((one for one in self.all() if one.sha256 == sha256 and owner in (None, one.owner)), None)

    def promised(self, sha256: str, owner: str) -> Staged | None:
        """The same, if it goes on waiting for long enough to be published."""
        found = self.find(sha256, owner)
        fresh = found is not None and self._clock() - found.since <= KEPT_SECONDS - PROMISED_SECONDS
        return found if found is not None and fresh and not found.done else None

    def open(self, staged: Staged) -> TensorFile | None:
        """Its tensors; None if it left meanwhile."""
        try:
            return TensorFile(self._store.open(staged.key))
        except BlobNotFound:
            return None

    @contextlib.contextmanager
    def coming(self, size: int, owner: str) -> Iterator[Upload]:
        """A place for a file of so many bytes while it comes in, gone after; Refusal if there is none."""
        with self._lock:
            waiting = self.sweep()
            while not self._room.fits(waiting, size) and (done := [one for one in waiting if one.done]):
                self._delete(done[-1])  # the oldest
                waiting.remove(done[-1])
        with self._room.taken(waiting, size, owner) as taken, roomy():
            self._directory.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(prefix=UPLOADS, dir=self._directory) as file:
                yield Upload(file, taken, lambda upload: self._keep(upload, owner))

    def all(self) -> list[Staged]:
        """Every file that waits, the newest first."""
        keys = list(self._store.keys("staged"))
        done = {key.removesuffix(".done") for key in keys if key.endswith(".done")}
        found = [one for key in keys if (one := _KEY.fullmatch(key))]
        staged = [Staged(one[0], int(one[1]), int(one[2]), one[3], one[4], one[0] in done) for one in found]
        return sorted(staged, key=lambda one: -one.since)

    def done(self, sha256: str, owner: str | None) -> None:
        """The file of this digest was published: it need not wait for long, however often it was sent."""
        for staged in self.all():
            if staged.sha256 == sha256 and owner in (None, staged.owner) and not staged.done:
                with contextlib.suppress(BlobExists):
                    self._store.create(f"{staged.key}.done", [])

    def forget(self, sha256: str, owner: str | None) -> int:
        """Nobody wants to publish this owner's file of this digest any more, or anybody's; returns how many left."""
        leaving = [one for one in self.all() if one.sha256 == sha256 and owner in (None, one.owner)]
        for staged in leaving:
            self._delete(staged)
        return len(leaving)

    def sweep(self) -> list[Staged]:
        """Forget what has waited for a day, and what a killed process was sent; returns what goes on waiting."""
        now, waiting = self._clock(), []
        for staged in self.all():
            if now - staged.since > (DONE_SECONDS if staged.done else KEPT_SECONDS):
                self._delete(staged)
            else:
                waiting.append(staged)
        for path in self._directory.glob(f"{UPLOADS}*"):
            with contextlib.suppress(FileNotFoundError):
                if now - path.stat().st_mtime > ABANDONED_SECONDS:
                    path.unlink()
        return waiting

    def _keep(self, upload: Upload, owner: str) -> None:
        key = f"staged/{int(self._clock())}-{upload.bytes}-{upload.sha256}-{owner}"
        with contextlib.suppress(BlobExists):
            self._store.create(key, upload.pieces())

    def _delete(self, staged: Staged) -> None:
        for key in (staged.key, f"{staged.key}.done"):  # a mark without its file would be for ever
            with contextlib.suppress(BlobNotFound):  # another replica was faster
                self._store.delete(key)

"""Run directories kept in the store, so that another machine goes on: only where the store is not a directory itself.

jobs/state/<id>/parts/<sha256>    files of the run, by their digest: what did not change is not sent again
jobs/state/<id>/<n>.json          {path: sha256}, written last: the highest n is whole
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from learngenes.errors import BlobExists, BlobNotFound, LearngenesError
from learngenes.store import Store
from learngenes_service.worker.runs import remove

EVERY_SECONDS = 60.0
PIECE_BYTES = 1 << 20
HERE = "kept"
"""A file of the run: the number of what was kept of it last, or what it was filled with."""

LEFT_OUT = re.compile(r"lock|kept|spec\.json|outcome\.json|.*\.part|.*\.tmp")

log = logging.getLogger("learngenes.worker")


class Backup:
    """Of one run directory. It is sent from a thread, so that the job is watched meanwhile."""

    def __init__(self, store: Store, id: str, run: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._run, self._clock = store, run, clock
        self._folder = f"jobs/state/{id}"
        self._digests: dict[tuple[str, int, int], str] = {}
        self._sent: float | None = None
        self._thread: threading.Thread | None = None

    def restore(self) -> bool:
        """Fill the run directory with what was kept, unless it is as new itself; whether it was filled."""
        number = max(self._numbers(), default=0)
        if number <= self._here():
            return False
        for path in self._run.iterdir():
            if path.is_dir():
                remove(path)
            elif path.name != "lock":
                path.unlink()
        files = json.loads(self._store.read(f"{self._folder}/{number}.json"))
        for path, digest in files.items():
            inner = PurePosixPath(path)
            if inner.is_absolute() or ".." in inner.parts:
                raise ValueError(f"{path!r} leads out of the run directory")
            target = self._run / inner
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(target.name + ".part")
            with part.open("wb") as file:
                view = memoryview(self._store.open(self._part(digest)))
                for start in range(0, len(view), PIECE_BYTES):
                    file.write(view[start : start + PIECE_BYTES])
            part.replace(target)
        (self._run / HERE).write_text(str(number))
        return True

    def after_checkpoint(self) -> bool:
        """Keep the run as it is, if it was not kept within the last minute; whether that has begun."""
        if self.busy() or (self._sent is not None and self._clock() - self._sent < EVERY_SECONDS):
            return False
        self.begin()
        return True

    def begin(self) -> None:
        """Keep the run as it is, in a thread; one at a time."""
        if self.busy():
            return
        self._sent = self._clock()
        self._thread = threading.Thread(target=self._keep, name="backup")
        self._thread.start()

    def busy(self) -> bool:
        """Whether it is being kept."""
        return self._thread is not None and self._thread.is_alive()

    def drop(self) -> None:
        """The job has ended: nobody goes on with it."""
        if self._thread is not None:
            self._thread.join()
        for key in list(self._store.keys(self._folder)):
            self._delete(key)

    def _keep(self) -> None:
        try:
            files = dict(self._parts())
            number = 1 + max(self._numbers(), default=0)
            self._store.create(f"{self._folder}/{number}.json", [json.dumps(files, sort_keys=True).encode()])
            (self._run / HERE).write_text(str(number))
            self._sweep(number, set(files.values()))
        except (OSError, LearngenesError) as error:  # a file that is being replaced, or a store that is away
            log.warning("the run in %s is not kept in the store this time: %s", self._run, error)

    def _parts(self) -> Iterator[tuple[str, str]]:
        for path in sorted(self._run.rglob("*")):
            if path.is_file() and not path.is_symlink() and not LEFT_OUT.fullmatch(path.name):
                name = path.relative_to(self._run).as_posix()
                about = path.stat()
                seen = (name, about.st_size, about.st_mtime_ns)
                if seen not in self._digests:
                    self._digests[seen] = self._send(path)
                yield name, self._digests[seen]

    def _send(self, path: Path) -> str:
        """A copy is sent: a file that grows meanwhile would not be the one of its digest."""
        with path.open("rb") as file:
            digest = hashlib.sha256()
            size = 0
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
                size += len(piece)
            file.seek(0)
            with contextlib.suppress(BlobExists):
                self._store.create(self._part(digest.hexdigest()), _pieces(file.read, size))
        return digest.hexdigest()

    def _sweep(self, newest: int, used: set[str]) -> None:
        for key in list(self._store.keys(self._folder)):
            name = key.rsplit("/", 1)[1]
            if (key.count("/parts/") and name not in used) or (name.endswith(".json") and name != f"{newest}.json"):
                self._delete(key)

    def _numbers(self) -> list[int]:
        names = (key.removeprefix(f"{self._folder}/") for key in self._store.keys(self._folder))
        return [int(name.removesuffix(".json")) for name in names if re.fullmatch(r"[0-9]+\.json", name)]

    def _here(self) -> int:
        try:
            return int((self._run / HERE).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _part(self, digest: str) -> str:
        return f"{self._folder}/parts/{digest}"

    def _delete(self, key: str) -> None:
        with contextlib.suppress(BlobNotFound):
            self._store.delete(key)


def _pieces(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    """The first `size` bytes of a file, whatever is added to it meanwhile."""
    while size > 0 and (piece := read(min(size, PIECE_BYTES))):
        size -= len(piece)
        yield piece

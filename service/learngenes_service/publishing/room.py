"""How much may wait to be published, and how much of it one caller may take. Safe to use from threads."""

from __future__ import annotations

import contextlib
import errno
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from learngenes_service.problems import ProblemResponse, Refusal

MOST_FILES = 1000
MOST_AT_ONCE = 64
MOST_AT_ONCE_OF_ONE = 4
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Waiting(Protocol):
    """A file that waits."""

    @property
    def bytes(self) -> int:
        """Of the file."""

    @property
    def owner(self) -> str:
        """Whose it is."""


@dataclass(slots=True, eq=False)
class Taken:
    """What one upload takes: the bytes that came, whatever it said would come."""

    room: Room
    owner: str
    others: int
    bytes: int = 0

    def grow(self, by: int) -> None:
        """So many more came; Refusal if there is no room for them any more."""
        self.bytes += by
        if self.others + self.room.coming > self.room.most_bytes:
            raise no_room(f"others were faster: all {self.room.most_bytes} bytes are taken")


class Room:
    """directory: whose disk it is; most_bytes: of all that waits or comes in; each_bytes: of one owner's."""

    def __init__(self, directory: Path, *, most_bytes: int, each_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._directory = directory
        self._each_bytes = each_bytes
        self._lock = threading.Lock()
        self._taken: list[Taken] = []

    @property
    def coming(self) -> int:
        """Bytes that came of all uploads that are not whole yet."""
        return sum(one.bytes for one in list(self._taken))

    def fits(self, waiting: Sequence[Waiting], size: int) -> bool:
        """Whether so many bytes more can wait."""
        return len(waiting) < MOST_FILES and sum(one.bytes for one in waiting) + self.coming + size <= self.most_bytes

    @contextlib.contextmanager
    def taken(self, waiting: Sequence[Waiting], size: int, owner: str) -> Iterator[Taken]:
        """Room for an upload while it comes in; Refusal if there is none, for anybody or for this owner."""
        with self._lock:
            own = [one for one in self._taken if one.owner == owner]
            if len(own) >= MOST_AT_ONCE_OF_ONE or len(self._taken) >= MOST_AT_ONCE:
                raise no_room(
                    f"{len(own)} uploads of yours and {len(self._taken)} in all come in; {MOST_AT_ONCE_OF_ONE} and "
                    f"{MOST_AT_ONCE} may at once: try again when one is done"
                )
            others = sum(one.bytes for one in waiting)
            if not self.fits(waiting, size):
                raise no_room(
                    f"{len(waiting)} files of {others} bytes wait to be published and {self.coming} bytes come in, "
                    f"there is room for {MOST_FILES} of {self.most_bytes}; publish them, or try again in a day"
                )
            share = [one.bytes for one in waiting if one.owner == owner] + [one.bytes for one in own]
            if sum(share) + size > self._each_bytes:
                raise no_room(
                    f"{sum(share)} bytes of yours wait to be published or come in, one caller has room for "
                    f"{self._each_bytes}; publish them, or DELETE their /v1/blobs/{{sha256}}"
                )
            self._check_disk(size)
            mine = Taken(self, owner, others)
            self._taken.append(mine)
        try:
            yield mine
        finally:
            with self._lock:
                self._taken.remove(mine)

    def _check_disk(self, size: int) -> None:
        there = next((path for path in (self._directory, *self._directory.parents) if path.exists()), None)
        if there is not None and (free := shutil.disk_usage(there).free) < size:
            raise no_room(f"the disk of the service has {free} bytes free, the file has {size}; tell who runs it")


@contextlib.contextmanager
def roomy() -> Iterator[None]:
    """A disk that is full is 507 while this lasts."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise no_room("the disk of the service is full; nothing was kept, tell who runs it") from error


def no_room(detail: str) -> Refusal:
    """507."""
    return Refusal(ProblemResponse(507, "no-room", detail))

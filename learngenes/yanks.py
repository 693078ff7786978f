"""Versions that were taken back: they stay in the store, are passed over by name, and answer to nobody unasked.

yanked/<name>/<version>/<n>    {"reason", "at"}, the highest n counts; gone again once the version is put back
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

from learngenes.errors import BlobExists, BlobNotFound, InvalidValue, Yanked
from learngenes.store import Store, check_name

MOST_LETTERS = 500
"""A reason is a sentence."""


@dataclass(frozen=True, slots=True)
class Yank:
    """Why a version was taken back, and when (ISO 8601)."""

    reason: str
    at: str

    def __post_init__(self) -> None:
        if not (self.reason.strip() and len(self.reason) <= MOST_LETTERS and self.reason.isprintable()):
            raise InvalidValue(
                f"a reason is one line of 1 to {MOST_LETTERS} printable letters, got {self.reason[:80]!r}; "
                f"say what is wrong with the version"
            )


class Yanks:
    """The yanks of a store. Which versions they are of is remembered for fresh_seconds; safe to use from threads."""

    def __init__(
        self, store: Store, *, fresh_seconds: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._until, self._read = -math.inf, frozenset[str]()

    def has(self, reference: str) -> bool:
        """Whether `name@version` was taken back."""
        return reference in self._fresh()

    def known(self, reference: str) -> bool | None:
        """The same without asking the store; None if that takes it."""
        return reference in self._read if self._clock() < self._until else None

    def get(self, reference: str) -> Yank | None:
        """Why `name@version` was taken back, if it was."""
        if not self.has(reference):
            return None
        while numbers := self._numbers(reference):
            try:
                record = json.loads(self._store.read(f"{_place(reference)}/{numbers[-1]}"))
                return Yank(str(record["reason"]), str(record["at"]))
            except BlobNotFound:  # put back just now, or another reason was given
                continue
            except (ValueError, KeyError, TypeError, InvalidValue):
                return Yank("its record can't be read", "")
        return None

    def put(self, reference: str, reason: str, *, at: datetime) -> Yank:
        """Take `name@version` back; a reason given before is replaced. InvalidValue for what is no reason.

        The new reason is there before the old one leaves: whatever ends this half way, the version stays taken back.
        """
        yank = Yank(reason, at.isoformat(timespec="seconds"))
        before = self.get(reference)
        if before is not None and before.reason == reason:
            return before
        while True:
            older = self._numbers(reference)
            n = max(older, default=0) + 1
            try:
                self._store.create(f"{_place(reference)}/{n}", [json.dumps(asdict(yank)).encode()])
            except BlobExists:  # another took it back just now: ours comes after
                continue
            break
        self._delete(reference, older)
        return yank

    def drop(self, reference: str) -> None:
        """Put `name@version` back; nothing happens if it was not taken back."""
        self._delete(reference, self._numbers(reference))

    def refuse(self, reference: str) -> None:
        """Yanked, with the reason, if `name@version` was taken back."""
        if (yank := self.get(reference)) is not None:
            raise Yanked(reference, reason=yank.reason, at=yank.at)

    def _numbers(self, reference: str) -> list[int]:
        """Of the records, oldest first."""
        lasts = (key.rpartition("/")[2] for key in self._store.keys(_place(reference)))
        return sorted(int(last) for last in lasts if last.isdecimal())

    def _delete(self, reference: str, numbers: list[int]) -> None:
        """Delete records, the newest last: until it is gone, it counts. What was remembered is old then."""
        for n in numbers:
            with contextlib.suppress(BlobNotFound):
                self._store.delete(f"{_place(reference)}/{n}")
        with self._lock:  # who reads the store now began before: that is old, too
            self._until = -math.inf

    def _fresh(self) -> frozenset[str]:
        if self._clock() < self._until:
            return self._read
        with self._lock:
            if self._clock() >= self._until:
                places = (key.split("/") for key in self._store.keys("yanked"))
                self._read = frozenset(f"{place[1]}@{place[2]}" for place in places if len(place) == 4)
                self._until = self._clock() + self._fresh_seconds
            return self._read


def _place(reference: str) -> str:
    name, _, version = reference.partition("@")
    return f"yanked/{check_name(name)}/{version}"

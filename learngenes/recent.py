"""What was used of late is kept, the longest unused leaves: a bound on what a long-lived process remembers."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """A dictionary of at most `most` values that together weigh at most `weight`, or of the newest alone.

    Safe to use from several threads. What leaves stays valid for those who hold it.
    """

    def __init__(self, most: int, *, weight: float) -> None:
        self._most = most
        self._weight = weight
        self._total = 0
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        """The value under key, which counts as a use; None if it is not kept."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: Key, value: Value, *, weight: int = 0) -> None:
        """Keep a value, in the place of the one that was there."""
        with self._lock:
            _, before = self._kept.pop(key, (None, 0))
            self._kept[key] = (value, weight)
            self._total += weight - before
            while len(self._kept) > 1 and (len(self._kept) > self._most or self._total > self._weight):
                _, (_, gone) = self._kept.popitem(last=False)
                self._total -= gone

    def __len__(self) -> int:
        return len(self._kept)

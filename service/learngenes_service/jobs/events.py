"""Events of a job: numbered by their own times, so that a stream can be filled again and a reader goes on in it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

Events: TypeAlias = list[tuple[str, dict[str, Any]]]
"""Events with their ids, in order."""

EVENT_ID = re.compile(r"([0-9]{1,15})-([0-9]{1,9})", re.ASCII)

STREAM_EVENTS = 10_000
"""The newest events of a job that Redis keeps while it runs, and the store after it."""

LOG_BYTES = 32_768
"""The end of what a job's process printed: as much is shown while it runs, and kept after it."""

MOST = 2**53
"""Of a number of an event: larger ones are no whole numbers to those who read JSON."""

_COUNTED = ("phase", "step", "steps", "loss", "accuracy", "images_per_second", "eta_seconds")


class Numbering:
    """Ids `<ms>-<n>` of the events of one file, ascending whatever the clock did; the same file, the same ids."""

    def __init__(self) -> None:
        self._last = (0, 0)

    def next(self, event: dict[str, Any]) -> str:
        """The id of the next event of the file."""
        time = event.get("time")
        ms = int(time * 1000 + 0.5) if isinstance(time, int | float) and 0 <= time < 1e12 else 0
        last_ms, n = self._last
        self._last = (last_ms, n + 1) if ms <= last_ms else (ms, 0)
        return f"{self._last[0]}-{self._last[1]}"


def read(line: bytes | str) -> Any:
    """A line of JSON; numbers that JSON does not have, as training that diverged writes them, are null."""
    return json.loads(line, parse_constant=lambda _: None, parse_float=_finite)


def numbered(lines: Iterable[bytes], numbering: Numbering) -> Iterator[tuple[str, dict[str, Any]]]:
    """Events with their ids; a line that is none, as a crash leaves it, is passed over."""
    for line in lines:
        try:
            event = read(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield numbering.next(event), event


def order(id: str) -> tuple[int, int]:
    """What ids are compared by."""
    found = EVENT_ID.fullmatch(id)
    assert found is not None, id
    return int(found[1]), int(found[2])


def to_keep(events: Iterable[tuple[str, dict[str, Any]]]) -> bytes:
    """The newest events as lines of JSON, each with its id."""
    newest = list(events)[-STREAM_EVENTS:]
    return b"".join(json.dumps({"id": id, **event}).encode() + b"\n" for id, event in newest)


def of_kept(raw: bytes) -> list[tuple[str, dict[str, Any]]]:
    """What `to_keep` wrote."""
    events = [read(line) for line in raw.splitlines()]
    return [(event.pop("id"), event) for event in events]


class Progress:
    """How far a job is, from its events: the last of each number, and seconds left where the speed is known."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self._since: tuple[float, int] | None = None

    def add(self, event: dict[str, Any]) -> None:
        """Take note of an event."""
        if event.get("phase") != self.state.get("phase") and "phase" in event:
            self.state, self._since = {}, None
        self.state |= {name: event[name] for name in _COUNTED if _counts(name, event.get(name))}
        self.state["time"] = event.get("time")
        step, steps, time = event.get("step"), event.get("steps"), event.get("time")
        if not (isinstance(step, int) and isinstance(steps, int) and isinstance(time, int | float)):
            return
        if event.get("event") == "start" or self._since is None or step < self._since[1]:
            self._since = (time, step)
        elif "eta_seconds" not in event and step > self._since[1]:
            seconds = (time - self._since[0]) / (step - self._since[1])
            self.state["eta_seconds"] = round(max(0.0, seconds) * (steps - step), 1)


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _counts(name: str, value: Any) -> bool:
    """Whether it is a number that pages and clients can show; a phase is a name."""
    if name == "phase":
        return isinstance(value, str)
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MOST

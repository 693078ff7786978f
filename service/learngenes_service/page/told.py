"""What a job has said so far, as curves and in words: for the page without its script, which draws the same."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from learngenes_service.jobs.events import Events
from learngenes_service.page.charts import MOST, Scale, ticks

HEIGHT = 130
"""Of a curve of a job, in pixels."""

MOST_POINTS = 120
"""Of a curve; more are thinned out evenly, the last one stays."""

MOST_ROWS = 12
"""Of the table beside the curves."""

MOST_EVENTS = 10_000
MOST_STEPS = 2**53
MOST_WORDS = 40
"""The newest of what happened besides steps."""

CURVES = (("loss", "loss", "loss"), ("accuracy", "accuracy", "top-1"), ("throughput", "images_per_second", "images/s"))
"""Id of a curve, the number of the events it is of, and its title."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (x percent, y pixels) joined by straight lines. first, last: of the steps."""

    id: str
    title: str
    points: tuple[tuple[float, float], ...]
    marks: tuple[tuple[float, str], ...]
    latest: float | None
    first: int
    last: int
    height: int = HEIGHT

    @property
    def pieces(self) -> list[tuple[tuple[float, float], tuple[float, float]]]:
        """Neighbours."""
        return list(pairwise(self.points))


@dataclass(frozen=True, slots=True)
class Word:
    """Something that happened. time: of the day, UTC."""

    time: str
    event: str
    text: str


@dataclass(slots=True)
class Told:
    """All of it. rows: step, loss, accuracy and images a second at some of the steps; seen: id of the last event."""

    curves: tuple[Curve, ...] = ()
    rows: list[dict[str, Any]] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    seen: str = ""


def told(events: Events) -> Told:
    """Steps of all phases, one behind the other; a step that was taken again counts as it was taken last."""
    steps = _Steps()
    words: list[Word] = []
    for _, event in events:
        steps.add(event)
        name = str(event.get("event", "?"))
        if name not in ("step", "epoch"):  # the curves tell of these
            if name == "checkpoint" and words and words[-1].event == "checkpoint":
                words.pop()
            words.append(Word(_clock(event.get("time")), name, _text(event)))
    table = steps.table()
    curves = tuple(_curve(id, title, [(at, row[key]) for at, row in table if key in row]) for id, key, title in CURVES)
    rows = [{"at": at, **row} for at, row in table if "accuracy" in row] or [{"at": at, **row} for at, row in table]
    seen = events[-1][0] if events else ""
    return Told(curves, list(_thin(rows, MOST_ROWS)), words[-MOST_WORDS:][::-1], list(steps.phases), seen)


class _Steps:
    """Numbers by phase and step."""

    def __init__(self) -> None:
        self.phases: dict[str, dict[int, dict[str, Any]]] = {}
        self._lengths: dict[str, int] = {}

    def add(self, event: dict[str, Any]) -> None:
        phase, step = str(event.get("phase", "")), _whole(event.get("step"))
        if step is None or event.get("event") not in ("step", "epoch"):
            return
        row = self.phases.setdefault(phase, {}).setdefault(step, {"phase": phase, "step": step})
        for _, key, _ in CURVES:
            if (value := _number(event.get(key))) is not None:
                row[key] = value
        self._lengths[phase] = max(_whole(event.get("steps")) or 0, step, self._lengths.get(phase, 0))

    def table(self) -> list[tuple[int, dict[str, Any]]]:
        """Place and numbers of each step, in order."""
        rows, before = [], 0
        for phase, steps in self.phases.items():
            rows += [(before + step, steps[step]) for step in sorted(steps)]
            before += self._lengths[phase]
        return rows


def _curve(id: str, title: str, values: list[tuple[int, float]]) -> Curve:
    values = list(_thin(values, MOST_POINTS))
    if not values:
        return Curve(id, title, (), (), None, 0, 0)
    first, last = values[0][0], values[-1][0]
    y, marks = ticks(max(value for _, value in values), HEIGHT)
    x = Scale(first, last)
    return Curve(
        id,
        title,
        tuple((x.percent(at) if last > first else 50.0, y.pixels(max(value, 0.0))) for at, value in values),
        tuple((y.pixels(mark), _plain(mark, id)) for mark in (marks[0], marks[-1])),
        values[-1][1],
        first,
        last,
    )


def _plain(value: float, id: str) -> str:
    if id == "accuracy":
        return f"{100 * value:g} %"
    return f"{value / 1000:g} k" if value >= 1000 else f"{value:g}"


def _thin(rows: list[Any], most: int) -> Iterable[Any]:
    """At most so many, evenly spread, the first and the last among them."""
    if len(rows) <= most:
        return rows
    return [rows[round(n * (len(rows) - 1) / (most - 1))] for n in range(most)]


def _text(event: dict[str, Any]) -> str:
    """What an event says, without what its name and time already do."""
    left = {name: value for name, value in event.items() if name not in ("event", "time", "memory_bytes", "steps")}
    said = []
    for name, value in left.items():
        if value is None or (isinstance(value, dict | list) and not value):
            continue
        if name == "accuracy" and isinstance(value, float):
            value = f"{100 * value:.2f} %"
        elif isinstance(value, float):
            value = f"{value:.4g}"
        elif isinstance(value, dict | list | bool):
            value = json.dumps(value, separators=(",", ":"))
        said.append(f"{name.replace('_', ' ')} {value}")
    return ", ".join(said)[:300]


def _clock(time: Any) -> str:
    """15:04:05, in UTC."""
    seconds = _number(time)
    return (
        "" if seconds is None or not 0 <= seconds < 1e11 else datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")
    )


def _number(value: Any) -> float | None:
    """A number that has a place in a chart."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < MOST:
        return None
    return float(value)


def _whole(value: Any) -> int | None:
    """A number of steps."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_STEPS else None

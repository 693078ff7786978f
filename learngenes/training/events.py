"""What a run says while it runs: JSON lines in a file, and a bar when someone is watching."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from learngenes.job import Report


@contextmanager
def reporting(path: Path, *, clock: Callable[[], float] = time.time) -> Iterator[Report]:
    """A report function that appends each event to `path` as a line of JSON with the time, in seconds since 1970.

    A run continued after a crash repeats the events since its last checkpoint; the `start` event says from where.
    """
    with path.open("a", encoding="utf-8") as file:
        bar = _Bar() if sys.stderr.isatty() else None

        def report(event: dict[str, Any]) -> None:
            file.write(json.dumps({"time": round(clock(), 3), **event}) + "\n")
            file.flush()
            if bar is not None:
                bar.show(event)

        try:
            yield report
        finally:
            if bar is not None:
                bar.close()


class _Bar:
    """tqdm, one bar per phase."""

    def __init__(self) -> None:
        self._phase: object = None
        self._bar: Any = None

    def show(self, event: dict[str, Any]) -> None:
        if "step" not in event:
            return
        if event["phase"] != self._phase:
            from tqdm import tqdm

            self.close()
            self._phase = event["phase"]
            self._bar = tqdm(total=event["steps"], desc=str(self._phase), unit="step", initial=event["step"])
        self._bar.update(event["step"] - self._bar.n)
        shown = {key: round(event[key], 4) for key in ("loss", "accuracy") if key in event}
        if shown:
            self._bar.set_postfix(shown)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

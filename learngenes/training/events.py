"""What a run says while it runs: JSON lines in a file, and a bar when someone is watching."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
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


class PhaseEvents:
    """The events of one phase of training; remembers when it last said how far it is.

    usage: what the machine is at, added to each `step` event.
    """

    def __init__(
        self,
        report: Report,
        *,
        phase: str,
        steps: int,
        epoch_steps: int,
        batch: int,
        usage: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self._report, self._phase, self._steps, self._usage = report, phase, steps, usage
        self._epoch_steps, self._batch = epoch_steps, batch
        self._said, self._said_step = 0.0, 0

    def start(self, step: int) -> None:
        """From how many steps on this run goes."""
        self._tell("start", step)

    def resume(self, step: int, *, now: float) -> None:
        """The clock of speed and silence starts."""
        self._said, self._said_step = now, step

    def silent_since(self, now: float) -> float:
        """Seconds since the last step or epoch event."""
        return now - self._said

    def step(self, done: int, *, loss: float, learning_rate: float, now: float) -> None:
        """After `done` steps; speed, and from it the seconds to the end of the phase, are over those since the last."""
        each = max(now - self._said, 1e-9) / max(1, done - self._said_step)
        self._tell(
            "step",
            done,
            epoch=self._epoch(done),
            loss=loss,
            lr=learning_rate,
            images_per_second=round(self._batch / each, 1),
            eta_seconds=round((self._steps - done) * each, 1),
            **self._usage(),
        )
        self._said, self._said_step = now, done

    def epoch(self, done: int, *, correct: int, n: int, seconds: float, now: float) -> None:
        """At the end of an epoch: accuracy on the test set, which took until `now`."""
        self._tell("epoch", done, epoch=self._epoch(done), accuracy=correct / n, n=n, seconds=round(seconds, 1))
        self._said = now

    def checkpoint(self, done: int) -> None:
        """A run that is stopped now goes on from here."""
        self._tell("checkpoint", done)

    def _epoch(self, done: int) -> int:
        return (done - 1) // self._epoch_steps

    def _tell(self, event: str, step: int, **more: float) -> None:
        self._report({"event": event, "phase": self._phase, "step": step, "steps": self._steps, **more})


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

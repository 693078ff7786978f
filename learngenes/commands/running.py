"""Runs: in a directory that keeps events, checkpoints and the result, and can be stopped and continued."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from learngenes.job import Report, Stopped
from learngenes.perform.workplace import leads

STOPPED = 130
"""Exit status of a run that was asked to stop and can be continued."""


@contextmanager
def running(run: Path) -> Iterator[tuple[Report, Callable[[], bool]]]:
    """The report function of a run directory, made if need be, and whether the run is asked to stop.

    Ranks beside the first report to nobody. See stoppable for how it is stopped.
    """
    from learngenes.training.events import reporting

    run.mkdir(parents=True, exist_ok=True)
    with stoppable() as stop, reporting(run / "events.jsonl" if leads() else Path(os.devnull)) as report:
        yield report, stop


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM has asked to stop; the second one stops this process at once."""
    signals: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if signals:  # asked twice: stop now, with the last checkpoint
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        signals.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(signals)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say_stopped(outcome: Stopped) -> int:
    """Say how far a run came and how it goes on; the exit status of that."""
    again = " ".join(shlex.quote(word) for word in sys.argv[1:])
    print(
        f"stopped in {outcome.phase} after step {outcome.step} of {outcome.steps}; continue with: learngenes {again}",
        file=sys.stderr,
    )
    return STOPPED

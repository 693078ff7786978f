"""Runs that learn: in a directory that keeps events, checkpoints and the result, and can be stopped and continued."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from learngenes import tensorfile
from learngenes.job import Learned, Report, Stopped

STOPPED = 130
"""Exit status of a run that was asked to stop and can be continued."""


def run_in(run: Path, work: Callable[[Report, Callable[[], bool]], Learned | Stopped]) -> Learned | Stopped | None:
    """What `work(report, stop)` learns, also kept in the run directory; None in the ranks beside the first.

    See stoppable for how it is stopped.
    """
    from learngenes.training.events import reporting

    leads = int(os.environ.get("RANK", "0")) == 0
    run.mkdir(parents=True, exist_ok=True)
    with stoppable() as stop, reporting(run / "events.jsonl" if leads else Path(os.devnull)) as report:
        outcome = work(report, stop)
        if isinstance(outcome, Learned) and leads:
            _keep(outcome, run)
        report({"event": "end", "outcome": "stopped" if isinstance(outcome, Stopped) else "learned"})
    return outcome if leads else None


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


def _keep(learned: Learned, run: Path) -> None:
    """The tensors, then the record, each whole or not at all."""
    part = run / "learned.part"
    with part.open("wb") as file:
        file.writelines(tensorfile.write(dict(learned.tensors), "F32"))
    part.replace(run / "learned.safetensors")
    part.write_text(json.dumps(dict(learned.record), indent=1, sort_keys=True) + "\n", "utf-8")
    part.replace(run / "record.json")

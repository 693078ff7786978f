"""Tasks over processes: what is missing is done, needs first, and every outcome is on disk before the next begins.

A run directory may be given again: to go on, to another table, or after a kill. What is there is not done again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.tasks import Task
from learngenes.training.crew import Crew, Died, Done, Failed
from learngenes.training.processes import alone

if TYPE_CHECKING:
    from experiments.perform import Desk


@dataclass(frozen=True, slots=True)
class Run:
    """A run directory. data: where relative paths of images start; command, commit: for the record."""

    folder: Path
    data: Path
    command: str
    commit: str

    def outcome(self, task: Task) -> dict[str, Any] | None:
        """What came of a task; None if it was not done yet."""
        try:
            found: dict[str, Any] = json.loads(self._path(task).read_text("utf-8"))
        except FileNotFoundError:
            return None
        return found

    def keep(self, task: Task, outcome: dict[str, Any]) -> None:
        """Write it down, whole or not at all."""
        path = self._path(task)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"task": task.key, **outcome}, indent=1) + "\n", "utf-8")
        part.replace(path)

    def lock(self, task: Task) -> Path:
        """Held by whoever does this task."""
        return self.folder / "locks" / task.digest

    def _path(self, task: Task) -> Path:
        return self.folder / "outcomes" / f"{task.digest}.json"


def work(
    run: Run, tasks: Sequence[Task], *, workers: int, told: Callable[[Task, dict[str, Any] | None], None]
) -> dict[str, str]:
    """Do what is missing of these tasks, which hold their needs. Returns why tasks failed, by digest.

    told: of every task that is done, with its outcome, or None if it failed. What needs a failed task fails too.
    """
    board = _Board(run, tasks, told)
    with _saved_by_a_signal(), Crew[Task](partial(_begin, run), workers=workers) as crew:
        while True:
            for task in board.ready(crew.idle):
                crew.give(task)
            if not crew.busy:
                return board.failed
            for task, word in crew.hear():
                match word:
                    case Done(outcome):
                        board.finish(task, outcome)
                    case Failed(why):
                        board.fail(task, why)
                    case Died(how):
                        board.fail(task, f"its process ended with {how}")


class _Board:
    """What is left to do, and what came of the rest."""

    def __init__(self, run: Run, tasks: Sequence[Task], told: Callable[[Task, dict[str, Any] | None], None]) -> None:
        self.run, self.told = run, told
        self.done = {task.digest for task in tasks if run.outcome(task) is not None}
        self.left = [task for task in tasks if task.digest not in self.done]
        self.failed: dict[str, str] = {}

    def ready(self, room: int) -> list[Task]:
        """As many as there is room for, taken off; what can't be done any more fails."""
        for task in list(self.left):
            if broken := [need for need in task.needs if need.digest in self.failed]:
                self.left.remove(task)
                self.fail(task, f"needs {broken[0].name}, which failed")
        chosen = [task for task in self.left if all(need.digest in self.done for need in task.needs)][:room]
        taken = {task.digest for task in chosen}
        self.left = [task for task in self.left if task.digest not in taken]
        return chosen

    def fail(self, task: Task, why: str) -> None:
        self.failed[task.digest] = why
        self.told(task, None)

    def finish(self, task: Task, outcome: dict[str, Any] | None) -> None:
        self.done.add(task.digest)
        self.told(task, outcome)


@contextmanager
def _saved_by_a_signal() -> Iterator[None]:
    """SIGTERM is as Ctrl-C meanwhile: trainings are saved before this ends."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def commit() -> str:
    """The commit of the code that runs, with `+` if files differ from it; `unknown` outside of a checkout."""
    try:
        changed = _git("status", "--porcelain", "--", "../learngenes", ".")
        return _git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    ask = ["git", "-C", str(Path(__file__).parent), *words]
    return subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603


def workers() -> int:
    """GPUs, or else the cores this process may use."""
    import torch

    if gpus := torch.cuda.device_count():
        return gpus
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin(
    run: Run, index: int, stop: Callable[[], bool], say: Callable[[Any], None]
) -> Callable[[Task], dict[str, Any]]:
    """What does tasks in this process: with one thread on a CPU, or on a GPU of its own."""
    import torch

    from experiments.perform import Desk

    torch.set_num_threads(1)
    desk = Desk.at(run.folder, run.data, report=lambda event: None, stop=stop, index=index)
    os.environ["LOCAL_RANK"] = str(desk.place.device.index or 0)  # what learns asks this which GPU is its own
    return partial(_do, run, desk)


def _do(run: Run, desk: Desk, task: Task) -> dict[str, Any]:
    """The outcome of a task, kept; InterruptedError if it was stopped."""
    from experiments.perform import perform
    from learngenes.job import Stopped

    with alone(run.lock(task), desk.stop) as mine:
        if (found := run.outcome(task)) is not None:
            return found
        made = perform(task, desk) if mine else None
        if made is None or isinstance(made, Stopped):
            raise InterruptedError(f"{task.name} was stopped; the same command goes on with it")
        outcome = {
            "kind": type(task).__name__.lower(),
            "name": task.name,
            "seed": task.seed,
            "commit": run.commit,
            "command": run.command,
            **made,
        }
        run.keep(task, outcome)
        return outcome

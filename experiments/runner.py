"""Tasks over processes: what is missing is done, needs first, and every outcome is on disk before the next begins.

A run directory may be given again: to go on, to another table, or after a kill. What is there is not done again.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.tasks import Task
from learngenes.training.processes import end_with_starter, forked

_desk: Any = None
"""Of a worker process."""
_stopping: Any = None


class TaskFailed(Exception):
    """What a task ended with, in words: not every exception survives the way to another process."""


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

    @contextmanager
    def alone(self, task: Task) -> Iterator[None]:
        """No other process does this task meanwhile."""
        path = self.folder / "locks" / task.digest
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _path(self, task: Task) -> Path:
        return self.folder / "outcomes" / f"{task.digest}.json"


def work(
    run: Run, tasks: Sequence[Task], *, workers: int, told: Callable[[Task, dict[str, Any] | None], None]
) -> dict[str, str]:
    """Do what is missing of these tasks, which hold their needs. Returns why tasks failed, by digest.

    told: of every task that is done, with its outcome, or None if it failed. What needs a failed task fails too.
    """
    done = {task.digest for task in tasks if run.outcome(task) is not None}
    left = [task for task in tasks if task.digest not in done]
    failed: dict[str, str] = {}
    context = forked()
    stopping = context.Event()
    indices = context.SimpleQueue()
    for index in range(workers):
        indices.put(index)
    busy: dict[Future[dict[str, Any] | None], Task] = {}
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # either way trainings are saved before this ends
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(run, stopping, indices)
    ) as pool:
        try:
            while left or busy:
                for task in list(left):
                    if broken := [need for need in task.needs if need.digest in failed]:
                        left.remove(task)
                        failed[task.digest] = f"needs {broken[0].name}, which failed"
                        told(task, None)
                    elif len(busy) < workers and all(need.digest in done for need in task.needs):
                        left.remove(task)
                        busy[pool.submit(_do, run, task)] = task
                for future in wait(busy, return_when=FIRST_COMPLETED).done:
                    task = busy.pop(future)
                    if (error := future.exception()) is not None:
                        failed[task.digest] = str(error) if isinstance(error, TaskFailed) else repr(error)
                        told(task, None)
                    else:
                        done.add(task.digest)
                        told(task, future.result())
        except BaseException:
            stopping.set()  # else leaving the pool waits for trainings that nobody wants
            raise
    return failed


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


def _begin(run: Run, stopping: Any, indices: Any) -> None:
    """A worker's desk: one thread on a CPU, or a GPU of its own."""
    global _desk, _stopping
    import torch

    from experiments.perform import Desk

    end_with_starter()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is asked, and asks us
    index = indices.get()
    torch.set_num_threads(1)

    _stopping = stopping.is_set
    _desk = Desk.at(run.folder, run.data, report=lambda event: None, stop=stopping.is_set, index=index)


def _do(run: Run, task: Task) -> dict[str, Any]:
    """In a worker: the outcome of a task, kept; TaskFailed says why not, InterruptedError that it was stopped."""
    from experiments.perform import perform
    from learngenes.job import Stopped

    with run.alone(task):
        if (found := run.outcome(task)) is not None:
            return found
        try:
            made = None if _stopping() else perform(task, _desk)
        except Exception as error:
            raise TaskFailed(f"{type(error).__name__}: {error}") from None
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

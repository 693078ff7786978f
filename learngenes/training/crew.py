"""Several processes that each do one task at a time, and what they say."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Generic, Self, TypeVar

from learngenes.training.processes import end_with_starter, forked, start_server

LEAVING_SECONDS = 90
"""How long a process may take to end once its crew is left: a training saves what it has."""

Task = TypeVar("Task")


@dataclass(frozen=True, slots=True)
class Said:
    """Word of a process that is still at its task."""

    what: Any


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a task."""

    what: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """What a task ended with, in words: not every exception survives the way to another process."""

    why: str


@dataclass(frozen=True, slots=True)
class Died:
    """The process is gone, and its task with it. how: its signal or exit status."""

    how: str


Word = Said | Done | Failed | Died

Begin = Callable[[int, Callable[[], bool], Callable[[Any], None]], Callable[[Task], Any]]
"""Makes of a fresh process what does tasks: begin(index among the processes, stop, say) -> do.

stop() tells while at a task whether to put it down; say(what) is heard as Said. All are used by the main thread alone.
"""


class Crew(Generic[Task]):
    """Processes that are each at one task at a time; one that dies takes its task with it and no other.

    They start when they are needed, and end with the block or with the process that they were started from, however
    that ends. begin and tasks are pickled.
    """

    def __init__(self, begin: Begin[Task], *, workers: int) -> None:
        self._begin, self._context = begin, forked()
        self._absent = list(reversed(range(workers)))
        self._idle: list[_Worker[Task]] = []
        self._busy: list[_Worker[Task]] = []
        self._told_to_stop = False

    @property
    def idle(self) -> int:
        """How many tasks can be given."""
        return 0 if self._told_to_stop else len(self._idle) + len(self._absent)

    @property
    def busy(self) -> tuple[Task, ...]:
        """The tasks that somebody is at."""
        return tuple(worker.task for worker in self._busy)

    def give(self, task: Task) -> int:
        """Let one that is idle do it; the id of its process. One that died with nothing to do is not asked."""
        assert self.idle, "nobody is idle"
        while self._idle:
            worker = self._idle.pop()
            try:
                worker.connection.send((task,))
            except OSError:
                worker.connection.close()
                self._absent.append(worker.index)
                continue
            worker.task = task
            break
        else:
            worker = _Worker.start(self._context, self._begin, self._absent[-1], task)
            self._absent.pop()
            with contextlib.suppress(OSError):  # it died already: hearing will tell
                worker.connection.send((task,))
        self._busy.append(worker)
        assert worker.process.pid is not None
        return worker.process.pid

    def hear(self, seconds: float | None = None) -> Iterator[tuple[Task, Word]]:
        """What those that are busy say, with the task they are at; waits for it, so many seconds at most."""
        ready = wait([end for worker in self._busy for end in (worker.connection, worker.process.sentinel)], seconds)
        for worker in [one for one in self._busy if one.connection in ready or one.process.sentinel in ready]:
            word = worker.hear()
            if not isinstance(word, Said):
                self._busy.remove(worker)
            if isinstance(word, Died):
                self._absent.append(worker.index)
            elif not isinstance(word, Said):
                self._idle.append(worker)
            yield worker.task, word

    def stop(self) -> None:
        """Let all put down what they are at and end; they can still be heard, and get no more tasks."""
        if not self._told_to_stop:
            self._told_to_stop = True
            for worker in (*self._idle, *self._busy):
                worker.send_home()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for worker in (*self._idle, *self._busy):
            worker.connection.close()
        for worker in (*self._idle, *self._busy):
            worker.leave()


@dataclass(slots=True, eq=False)
class _Worker(Generic[Task]):
    process: ForkServerProcess
    connection: Connection
    index: int
    task: Task

    @classmethod
    def start(cls, context: ForkServerContext, begin: Begin[Task], index: int, task: Task) -> _Worker[Task]:
        """A new process; it has to be given the task yet."""
        start_server()
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, begin, index))
        process.start()
        theirs.close()  # so that its end closes with the process
        return cls(process, ours, index, task)

    def hear(self) -> Word:
        """What it said; what it said before it died comes first."""
        with contextlib.suppress(EOFError, OSError):
            if self.connection.poll():
                word: Word = self.connection.recv()
                return word
        self.connection.close()
        self.process.join(LEAVING_SECONDS)
        code = self.process.exitcode
        if code is None or code >= 0:
            return Died(f"exit status {code}")
        name = signal.Signals(-code).name
        return Died(f"signal {name}" + (", perhaps because memory ran out" if name == "SIGKILL" else ""))

    def send_home(self) -> None:
        """It ends once it has put down its task."""
        with contextlib.suppress(OSError):
            self.connection.send(None)

    def leave(self) -> None:
        """Wait for its end; end it if it does not."""
        self.process.join(LEAVING_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _serve(connection: Connection, begin: Begin[Any], index: int) -> None:
    """The life of a process: tasks come in, what came of them goes back, until None comes or nobody is there."""
    end_with_starter()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is asked, and asks us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def send(word: Word) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            connection.send(word)

    # What comes while a task is done is the word to stop, or the end of the connection: no lock that a process could
    # be killed with, as an Event of multiprocessing has one.
    try:
        do = begin(index, connection.poll, lambda what: send(Said(what)))
    except Exception as error:
        do = partial(_fail, error)
    while True:
        try:
            given = connection.recv()
        except (EOFError, OSError):
            return
        if given is None:
            return
        try:
            word: Word = Done(do(*given))
        except Exception as error:
            word = Failed(f"{type(error).__name__}: {error}")
        send(word)


def _fail(error: Exception, task: Any) -> None:
    raise error

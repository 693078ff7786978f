"""What processes of a test do: they lie in a module, for they are found by name in another process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any


class Odd(Exception):
    """One that does not survive pickling."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} and {other}")


def begin(index: int, stop: Callable[[], bool], say: Callable[[Any], None]) -> Callable[[str], Any]:
    return partial(_do, index, stop, say)


def broken(index: int, stop: Callable[[], bool], say: Callable[[Any], None]) -> Callable[[str], Any]:
    raise RuntimeError("it can't even begin")


def _do(index: int, stop: Callable[[], bool], say: Callable[[Any], None], task: str) -> Any:
    match task:
        case "who":
            say("I")
            return index, os.getpid()
        case "odd":
            raise Odd("this", "that")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "wait":
            say("waiting")
            while not stop():
                time.sleep(0.01)
            return "put down"
        case _ if task.startswith("leave "):
            say("waiting")
            while not stop():
                time.sleep(0.01)
            Path(task.removeprefix("leave ")).touch()
            return None
        case "deaf":
            say("deaf")
            time.sleep(600)
    raise AssertionError(task)

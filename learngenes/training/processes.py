"""Where processes that compute come from: a server that has imported what they need and does nothing but fork.

Importing torch and timm takes seconds of a core and hundreds of megabytes. Processes that are spawned would each pay
that, and one that comes in place of another that died would pay it again.
"""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext
from pathlib import Path

LOOK_SECONDS = 0.2
"""How often it is looked whether others are done."""


def forked() -> ForkServerContext:
    """Where processes come from. Nothing was computed before the fork, so no thread and no GPU is lost in it.

    They see the environment as it was when the first of them started. The server lives as long as any of them.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["learngenes.training.loop"])
    return context


def start_server() -> None:
    """If it does not run. A Ctrl-C of the terminal would end it while it imports what it needs, with a traceback."""
    resource_tracker.ensure_running()  # which the server starts first, and which unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # what is started inherits that
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_starter() -> None:
    """Be killed as soon as the process that asked for this one is gone, however it ended: no orphans.

    Their parent is the server, so that the kernel's word (guard) would not be enough.
    """
    starter = multiprocessing.parent_process()
    assert starter is not None, "this process was started by no other of multiprocessing"

    def wait_for_it() -> None:
        starter.join()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait_for_it, name="ends with its starter", daemon=True).start()


@contextmanager
def alone(path: Path, stop: Callable[[], bool]) -> Iterator[bool]:
    """True once no other process is in such a block of this path, or False as soon as we are told to stop.

    It is free again with the process that had it, however that ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        while not stop():
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield True
                return
            time.sleep(LOOK_SECONDS)
        yield False

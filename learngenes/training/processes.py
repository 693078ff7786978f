"""Several processes that compute: each a fork of one server, which has imported what they need and does nothing else.

Importing torch and timm takes seconds of a core and hundreds of megabytes. Processes that are spawned would each pay
that, and one that comes in place of another that died would pay it again.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.context import ForkServerContext


def forked() -> ForkServerContext:
    """Where processes come from. Nothing was computed before the fork, so no thread and no GPU is lost in it.

    They see the environment as it was when the first of them started. The server lives as long as any of them.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["learngenes.training.loop"])
    return context


def end_with_starter() -> None:
    """Be killed as soon as the process that asked for this one is gone, however it ended: no orphans.

    For processes of `forked` alone. Their parent is the server, so that the kernel's word (guard) would not be enough.
    """
    starter = multiprocessing.parent_process()
    if starter is None:
        raise RuntimeError("this process was started by no other of multiprocessing")

    def wait() -> None:
        starter.join()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, name="ends with its starter", daemon=True).start()

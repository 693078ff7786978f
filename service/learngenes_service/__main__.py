"""`python -m learngenes_service`: run the service and say what to paste."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import uvicorn

from learngenes.errors import InvalidValue, LearngenesError
from learngenes_service.access import commands
from learngenes_service.app import create_app
from learngenes_service.descendants.zerocopy import ZeroCopy
from learngenes_service.embedded import attach, supervisor
from learngenes_service.settings import NO_QUEUE, PREFIX, Settings, from_environment
from learngenes_service.telemetry import logs

GRACE_SECONDS = 10
"""How long a download may go on after the service was told to stop."""


class Server(uvicorn.Server):
    """A server that prints a ready-to-paste command as soon as it listens, with the port it really has.

    stopping: called once it is told to stop.
    """

    def __init__(self, config: uvicorn.Config, *, stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See uvicorn."""
        self._stopping()
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        if self.should_exit:
            return
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
        base = f"http://{host}:{port}"
        body = '\'{"depth":9,"width":384}\''
        print(
            f"\nLearngene Zoo is ready at {base}\n\nOpen it in a browser ({base}/docs has the API), or paste\n\n"
            f"  curl -fo model.safetensors -d {body} {base}/initialize\n",
            flush=True,
        )


def _check_address(settings: Settings) -> None:
    """InvalidValue unless the address can be listened on: said before anything is started."""
    if not settings.port:
        return
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise InvalidValue(
            f"can't listen on port {settings.port} of {settings.host}: {error.strerror or error}; set {PREFIX}PORT to "
            f"another, or to 0 for any that is free"
        ) from None


def serve(settings: Settings) -> None:
    """Run until interrupted."""
    app = create_app(settings)
    config = uvicorn.Config(
        ZeroCopy(app) if settings.zero_copy else app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    jobs = app.state.jobs
    Server(config, stopping=jobs.following.stop if jobs else lambda: None).run()


def main(arguments: list[str] | None = None) -> int:
    """Settings from the environment; exit code 2 if they make no sense, 1 if a command can't be done."""
    parser = argparse.ArgumentParser(
        prog="learngenes-service",
        description="Run the service until it is interrupted; or, with a command, a worker, or see to who may use it.",
        epilog=f"Its settings are {PREFIX} variables of the environment, see docs/settings.md.",
    )
    words = parser.add_subparsers(metavar="COMMAND")
    commands.add_to(words)
    worker = words.add_parser("worker", help="run a worker, on the queue of the settings or of a service over its data")
    worker.add_argument("--check", action="store_true", help="run none: fail unless one of this machine is alive")
    worker.set_defaults(run=_worker)
    options = parser.parse_args(arguments)
    try:
        settings = from_environment(os.environ)
    except LearngenesError as error:
        return _fail(error, 2)
    if not hasattr(options, "run"):
        logs.set_up(settings)
        try:
            _check_address(settings)
        except InvalidValue as error:
            return _fail(error, 1)
        with contextlib.suppress(KeyboardInterrupt):
            _run(settings)
        return 0
    if options.run is _worker and settings.redis_url == NO_QUEUE:
        return _fail(InvalidValue(f"{PREFIX}REDIS_URL is {NO_QUEUE!r}, and a worker takes jobs from a queue"), 2)
    try:
        options.run(settings, options)
    except (LearngenesError, OSError) as error:
        return _fail(error, 1)
    return 0


def _run(settings: Settings) -> None:
    """Serve, with the queue that was asked for. SIGTERM and a closed terminal end it in order, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    if not settings.redis_url:
        supervisor.run(settings, serve=serve, environment=os.environ)
    else:
        serve(replace(settings, redis_url="") if settings.redis_url == NO_QUEUE else settings)


def _worker(settings: Settings, options: argparse.Namespace) -> None:
    if options.check:
        attach.check(settings)
    else:
        attach.become_worker(settings, os.environ)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _fail(error: Exception, status: int) -> int:
    print(f"learngenes-service: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())

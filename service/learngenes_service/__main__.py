"""`python -m learngenes_service`: run the service and say what to paste."""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys

import uvicorn

from learngenes.errors import LearngenesError
from learngenes_service.app import create_app
from learngenes_service.descendants.zerocopy import ZeroCopy
from learngenes_service.settings import PREFIX, Settings, from_environment

GRACE_SECONDS = 10
"""How long a download may go on after the service was told to stop."""


class Server(uvicorn.Server):
    """A server that prints a ready-to-paste command as soon as it listens, with the port it really has."""

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
            f"\nLearngene Zoo is ready at {base} (docs at {base}/docs). Try:\n\n"
            f"  curl -fo model.safetensors -d {body} {base}/initialize\n",
            flush=True,
        )


def serve(settings: Settings) -> None:
    """Run until interrupted."""
    app = create_app(settings)
    config = uvicorn.Config(
        ZeroCopy(app) if settings.zero_copy else app,
        host=settings.host,
        port=settings.port,
        log_level="info",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    with contextlib.suppress(KeyboardInterrupt):
        Server(config).run()


def main(arguments: list[str] | None = None) -> int:
    """Settings from the environment; exit code 2 if they make no sense."""
    argparse.ArgumentParser(
        prog="learngenes-service",
        description="Run the service until it is interrupted.",
        epilog=f"It takes no arguments: its settings are {PREFIX} variables of the environment, see docs/settings.md.",
    ).parse_args(arguments)
    try:
        settings = from_environment(os.environ)
    except LearngenesError as error:
        print(f"learngenes-service: {error}", file=sys.stderr)
        return 2
    serve(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())

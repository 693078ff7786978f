"""`python -m learngenes_service`: run the service and say what to paste."""

from __future__ import annotations

import os
import socket
import sys

import uvicorn

from learngenes.errors import LearngenesError
from learngenes_service.app import create_app
from learngenes_service.settings import Settings, from_environment


class Server(uvicorn.Server):
    """A server that prints a ready-to-paste command as soon as it listens, with the port it really has."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        if self.should_exit:
            return
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        base = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"  # noqa: S104
        body = '\'{"depth":9,"width":384}\''
        print(
            f"\nLearngene Zoo is ready at {base} (docs at {base}/docs). Try:\n\n"
            f"  curl -fo model.safetensors -d {body} {base}/initialize\n",
            flush=True,
        )


def serve(settings: Settings) -> None:
    """Run until interrupted."""
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_level="info",
        access_log=False,
        server_header=False,
    )
    Server(config).run()


def main() -> int:
    """Settings from the environment; exit code 2 if they make no sense."""
    try:
        settings = from_environment(os.environ)
    except LearngenesError as error:
        print(f"learngenes-service: {error}", file=sys.stderr)
        return 2
    serve(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())

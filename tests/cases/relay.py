"""A relay on loopback between a client and a service: it counts what goes through and reads the request lines.

Lines are found at the beginning of what is received at once, so only where requests have no large bodies.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LINE = re.compile(rb"^(GET|HEAD|POST|PUT|DELETE) (\S+) HTTP/1\.1\r$", re.MULTILINE)


@dataclass
class Relay:
    """received: bytes that came from the service, headers and all; asked: `GET /path` of every request."""

    url: str
    received: int = 0
    asked: list[str] = field(default_factory=list)

    def forget(self) -> None:
        self.received = 0
        self.asked.clear()


@contextmanager
def relaying(url: str) -> Iterator[Relay]:
    """A relay to the service at url, until the block ends."""
    to = urlsplit(url).hostname, urlsplit(url).port
    with socket.create_server(("127.0.0.1", 0)) as listening:
        relay = Relay(f"http://127.0.0.1:{listening.getsockname()[1]}")
        thread = threading.Thread(target=_accept, args=(listening, to, relay), daemon=True)
        thread.start()
        try:
            yield relay
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listening: socket.socket, to: tuple[str | None, int | None], relay: Relay) -> None:
    while True:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        service = socket.create_connection(to)  # type: ignore[arg-type]
        threading.Thread(target=_up, args=(client, service, relay), daemon=True).start()
        threading.Thread(target=_down, args=(service, client, relay), daemon=True).start()


def _up(client: socket.socket, service: socket.socket, relay: Relay) -> None:
    with suppress(OSError):
        while piece := client.recv(1 << 16):
            relay.asked += [f"{line[1].decode()} {line[2].decode()}" for line in LINE.finditer(piece)]
            service.sendall(piece)
    with suppress(OSError):
        service.shutdown(socket.SHUT_WR)


def _down(service: socket.socket, client: socket.socket, relay: Relay) -> None:
    with suppress(OSError), service, client:
        while piece := service.recv(1 << 18):
            relay.received += len(piece)
            client.sendall(piece)

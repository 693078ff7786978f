"""An S3 server of this machine, as a process on the loopback: moto, which keeps everything in memory.

Run as a program it prints its address and serves until its standard input ends, so that it never outlives its tests.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

BUCKET = "zoo"


@dataclass(frozen=True)
class Server:
    """A running server with one bucket."""

    address: str
    stop: Callable[[], None]
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that lead a process here."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "an-id",
            "AWS_SECRET_ACCESS_KEY": "a-secret",
        }

    def new(self) -> str:
        """The URL of an empty store."""
        return f"s3://{BUCKET}/stores/{next(self._numbers)}"

    def ask(self, path: str, *, method: str = "GET", data: bytes | None = None) -> bytes:
        """What it answers to a plain request."""
        with urllib.request.urlopen(urllib.request.Request(self.address + path, data, method=method)) as answer:
            return bytes(answer.read())

    def unfinished_uploads(self) -> int:
        """Uploads in parts that were begun and neither finished nor given up."""
        return self.ask(f"/{BUCKET}?uploads").count(b"<UploadId>")


@contextmanager
def serving() -> Iterator[Server]:
    """The server, until the block ends."""
    process = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"]},
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address, f"moto ended with {process.wait()}"
            server = Server(address, process.terminate)
            server.ask(f"/{BUCKET}", method="PUT")
            yield server
        finally:
            process.terminate()


def main() -> None:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

"""The client side: raw sockets, one connection a request, bytes read into one buffer and dropped.

The same code reads from every server. It runs in a process of its own (`Reader`), because on a few cores a reader in
the measuring process would share its interpreter with the clock.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

BUFFER_BYTES = 1 << 20
_RUN_SECONDS = 180.0
_SILENCE_SECONDS = 60
_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. body: JSON of a POST, None for a GET."""

    port: int
    path: str
    body: bytes | None = None

    def raw(self) -> bytes:
        """The bytes that go over the wire."""
        head = f"{'GET' if self.body is None else 'POST'} {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        if self.body is None:
            return f"{head}\r\n".encode()
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n\r\n".encode() + self.body


@dataclass(frozen=True, slots=True)
class Pull:
    """What came over: bytes of bodies, in how many seconds, headers and connecting included."""

    bytes: int
    seconds: float

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.bytes / self.seconds


class BadAnswer(Exception):
    """A server did not send what was asked for."""


class Reader:
    """A process that reads. Functions of this module are run in it one after another."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        self.pid = self._pool.submit(os.getpid).result()

    def start(self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run a function of this module there, without waiting."""
        return self._pool.submit(function, *args, **kwargs)

    def run(self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a function of this module there."""
        return self.start(function, *args, **kwargs).result(_RUN_SECONDS)

    def stop(self) -> None:
        """End the process."""
        self._pool.shutdown(cancel_futures=True)


def pull(ask: Ask, *, clients: int = 1, times: int = 1) -> Pull:
    """Everything the server sends to some clients at once, that many times after another."""
    buffer = _buffer()
    start = time.perf_counter()
    received = 0
    for _ in range(times):
        received += _one(ask, buffer) if clients == 1 else _many(ask, clients, buffer)
    return Pull(received, time.perf_counter() - start)


def pull_for(ask: Ask, *, clients: int, seconds: float) -> Pull:
    """The same for about that long: who is done starts again until the time is up."""
    buffer = _buffer()
    start = time.perf_counter()
    received = _many(ask, clients, buffer, until=start + seconds)
    return Pull(received, time.perf_counter() - start)


def first_byte(ask: Ask, *, drain: bool = True) -> float:
    """Seconds from connecting to the first byte of the body.

    drain: read to the end afterwards, instead of hanging up.
    """
    buffer = _buffer()
    start = time.perf_counter()
    with _connect(ask) as connection:
        answer = _Answer()
        while not answer.begun:
            answer.feed(_some(connection, buffer))
        took = time.perf_counter() - start
        if drain:
            _finish(connection, answer, buffer)
    return took


def sha256(ask: Ask) -> tuple[str, int]:
    """sha256 and length of the body."""
    digest = hashlib.sha256(body := fetch(ask))
    return digest.hexdigest(), len(body)


def fetch(ask: Ask) -> bytes:
    """The body."""
    with _connect(ask) as connection:
        answer = _Answer()
        parts = []
        while answer.left != 0:
            raw = connection.recv(BUFFER_BYTES)
            parts.append(raw)
            answer.feed(raw)
    return b"".join(parts).partition(b"\r\n\r\n")[2]


def stall(ask: Ask, *, read_bytes: int) -> socket.socket:
    """A connection that has read a little and reads no more; whoever asked for it closes it."""
    connection = _connect(ask)
    while read_bytes > 0:
        read_bytes -= len(connection.recv(min(read_bytes, BUFFER_BYTES)))
    return connection


def hang_up(connection: socket.socket, *, reset: bool) -> None:
    """Close as a client does that ends (FIN), or that crashes or is unplugged (RST)."""
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@dataclass(slots=True)
class _Answer:
    """What has come of an answer. left: bytes of the body still to come, None as long as the header is not whole."""

    left: int | None = None
    size: int = 0
    head: bytes = field(default=b"", repr=False)

    @property
    def begun(self) -> bool:
        return self.left is not None and self.left < self.size

    def feed(self, raw: bytes | memoryview) -> None:
        if not raw:
            raise BadAnswer(f"the server hung up with {self.left} bytes to go; the answer began {self.head[:200]!r}")
        if self.left is not None:
            self.left -= len(raw)
            return
        self.head += raw
        head, found, body = self.head.partition(b"\r\n\r\n")
        if found:
            status, *lines = head.decode("latin-1").lower().split("\r\n")
            if status.split()[1] != "200":
                raise BadAnswer(f"{status}: {body[:400]!r}")
            headers = dict(line.split(": ", 1) for line in lines)
            self.size = int(headers["content-length"])
            self.left = self.size - len(body)


def _buffer() -> mmap.mmap:
    """On a page boundary, where a bytearray's data is not.

    Some processors' `rep movsb` is several times slower if the target's place in its page is a few bytes behind the
    source's, and the kernel copies with it.
    """
    return mmap.mmap(-1, BUFFER_BYTES)


def _connect(ask: Ask) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", ask.port))
    # The kernel's own timeout: Python's costs a poll() before every recv().
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _SILENCE_SECONDS, 0))
    connection.sendall(ask.raw())
    return connection


def _some(connection: socket.socket, buffer: mmap.mmap) -> memoryview:
    return memoryview(buffer)[: connection.recv_into(buffer, 65536)]


def _finish(connection: socket.socket, answer: _Answer, buffer: mmap.mmap) -> None:
    left = answer.left or 0
    while left > 0:
        count = connection.recv_into(buffer)
        if count == 0:
            raise BadAnswer(f"the server hung up with {left} of {answer.size} bytes to go")
        left -= count


def _one(ask: Ask, buffer: mmap.mmap) -> int:
    with _connect(ask) as connection:
        answer = _Answer()
        while answer.left is None:
            answer.feed(_some(connection, buffer))
        _finish(connection, answer, buffer)
    return answer.size


def _many(ask: Ask, clients: int, buffer: mmap.mmap, *, until: float = 0.0) -> int:
    """Bytes read by clients at once, each of them once, or again and again until that time."""
    received = 0
    with selectors.DefaultSelector() as waiting:
        for _ in range(clients):
            waiting.register(_connect(ask), selectors.EVENT_READ, _Answer())
        while waiting.get_map():
            for key, _ in waiting.select():
                connection, answer = key.fileobj, key.data
                assert isinstance(connection, socket.socket)
                assert isinstance(answer, _Answer)
                if answer.left is None:
                    answer.feed(_some(connection, buffer))
                else:
                    answer.feed(memoryview(buffer)[: connection.recv_into(buffer)])
                if answer.left == 0:
                    received += answer.size
                    waiting.unregister(connection)
                    connection.close()
                    if time.perf_counter() < until:
                        waiting.register(_connect(ask), selectors.EVENT_READ, _Answer())
    return received

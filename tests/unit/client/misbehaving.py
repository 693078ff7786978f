"""A real HTTP server on loopback that serves one descendant and misbehaves as told.

`server.plan` holds what to do with the next requests for the weights, one act each; once it is
empty the server is honest. `server.initialize` answers the POST, `server.other` what comes to other paths, one act
each. `server.seen` is every request, in order.
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ID = "a1" * 32
FOLDER = f"/v1/descendants/{ID}"
WEIGHTS = random.Random(7).randbytes(300_000)
CONFIG = json.dumps({"architecture": "vit_tiny_patch16_224", "num_classes": 3, "model_args": {}}).encode()


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Server(ThreadingHTTPServer):
    """One descendant with the given weights; sha256 in its document unless told otherwise."""

    daemon_threads = True

    def __init__(self, weights: bytes = WEIGHTS) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.weights, self.etag = weights, f'"{ID}"'
        self.document = document(weights)
        self.plan: list[Act] = []
        self.other: dict[str, list[Act]] = {}
        self.initialize: Act = lambda handler: handler.json(200, self.document)
        self.seen: list[Seen] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def asked(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path]

    @property
    def ranges(self) -> list[str | None]:
        """The Range of every request for the weights."""
        return [seen.headers.get("range") for seen in self.asked(f"{FOLDER}/model.safetensors")]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what we test."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        self._note(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        acts = self.server.other.get(self.path)
        (acts.pop(0) if acts else self.server.initialize)(self)

    def do_PUT(self) -> None:
        self.do_POST()

    def do_DELETE(self) -> None:
        self.do_POST()

    def do_GET(self) -> None:
        self._note(b"")
        if acts := self.server.other.get(self.path):
            acts.pop(0)(self)
        elif self.path == f"{FOLDER}/model.safetensors":
            act = self.server.plan.pop(0) if self.server.plan else honest
            act(self)
        elif self.path == f"{FOLDER}/config.json":
            self.send(200, CONFIG, ETag='"config"')
        else:
            self.json(404, {"title": "Not found", "detail": f"nothing at {self.path}", "code": "not-found"})

    def json(self, status: int, value: object) -> None:
        kind = "application/json" if status < 400 else "application/problem+json"
        self.send(status, json.dumps(value).encode(), Content_Type=kind)

    def send(self, status: int, body: bytes, *, length: int | None = None, **headers: str) -> None:
        """body, announced as length bytes; the connection ends if that is not its length."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = length not in (None, len(body))

    def rest(self) -> tuple[int, dict[str, str]]:
        """Where to begin and with which headers: Range counts only if If-Range names our version."""
        weights, etag = self.server.weights, self.server.etag
        asked = self.headers.get("Range")
        if asked is None or self.headers.get("If-Range") != etag:
            return 0, {"ETag": etag}
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        return start, {"ETag": etag, "Content-Range": f"bytes {start}-{len(weights) - 1}/{len(weights)}"}

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def _note(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append(Seen(self.command, self.path, headers, body))


Act = Callable[[Handler], None]


def honest(handler: Handler) -> None:
    start, headers = handler.rest()
    if start >= len(handler.server.weights):
        handler.send(416, b"", Content_Range=f"bytes */{len(handler.server.weights)}")
    else:
        handler.send(206 if "Content-Range" in headers else 200, handler.server.weights[start:], **headers)


def cut(after: int) -> Act:
    """Promise all that was asked for, send `after` bytes, hang up."""

    def act(handler: Handler) -> None:
        start, headers = handler.rest()
        rest = handler.server.weights[start:]
        status = 206 if "Content-Range" in headers else 200
        handler.send(status, rest[:after], length=len(rest), **headers)

    return act


def stall(after: int) -> Act:
    """Like cut, but stay connected and silent until the server is released; then send the rest."""

    def act(handler: Handler) -> None:
        start, _ = handler.rest()
        cut(after)(handler)
        handler.server.released.wait(20)
        handler.wfile.write(handler.server.weights[start + after :])

    return act


def whole(content: bytes, *, etag: str = f'"{ID}"') -> Act:
    """200 with that content, whatever was asked for."""
    return lambda handler: handler.send(200, content, ETag=etag)


def chunked(content: bytes) -> Act:
    """200 of unsaid length, ended cleanly after content."""

    def act(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("ETag", handler.server.etag)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content))

    return act


def endless(handler: Handler) -> None:
    """200 of unsaid length that goes on as long as somebody listens, 64 MB at most."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for _ in range(1024):
        handler.wfile.write(b"%x\r\n%b\r\n" % (65536, bytes(65536)))
    handler.wfile.write(b"0\r\n\r\n")


def part(start: int, content: bytes, *, total: int, etag: str = f'"{ID}"') -> Act:
    """206 that claims to begin at start, whatever was asked for."""
    span = f"bytes {start}-{start + len(content) - 1}/{total}"
    return lambda handler: handler.send(206, content, ETag=etag, Content_Range=span)


def problem(status: int, code: str, **more: object) -> Act:
    return lambda handler: handler.json(status, {"title": "No", "detail": f"no: {code}", "code": code, **more})


def plain(status: int) -> Act:
    """What a proxy answers when the service behind it is gone."""
    return lambda handler: handler.send(status, b"<html>Bad Gateway</html>", Content_Type="text/html")


def hang_up(handler: Handler) -> None:
    """No answer at all."""
    handler.close_connection = True


def document(weights: bytes) -> dict[str, object]:
    files = [
        {
            "name": name,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "url": f"{FOLDER}/{name}",
        }
        for name, content in (("model.safetensors", weights), ("config.json", CONFIG))
    ]
    return {
        "id": ID,
        "learngene": "starter@1",
        "method": "sws",
        "family": "vit",
        "size": {"depth": 9, "width": 384},
        "dtype": "f32",
        "keys": "timm",
        "params": 16_727_272,
        "macs": 3_300_000_000,
        "files": files,
        "quality": [],
        "init_report": {"copied": {"tensors": 116, "parameters": 16_727_272}, "notes": []},
        "layer_map": [0, 0, 1, 1, 2, 2, 3, 3, 4],
        "lineage": ["starter@1"],
        "license": "apache-2.0",
        "snippets": {},
        "a field of a later service": 1,
    }


@contextmanager
def serving(weights: bytes = WEIGHTS) -> Iterator[Server]:
    server = Server(weights)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()

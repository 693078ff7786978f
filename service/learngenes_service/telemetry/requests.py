"""Around every request: its id, its line in the log, its numbers. Bodies pass untouched, the zero-copy ones too."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from learngenes_service.headers import Answer, answer_to
from learngenes_service.telemetry.logs import REQUEST
from learngenes_service.telemetry.metrics import Metrics

QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Routes that machines ask for all the time: their lines are of level debug."""

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
log = structlog.stdlib.get_logger("learngenes.requests")


class Telemetry:
    """Wraps an app whole: what fails inside is counted and logged like any answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        id = _id_of(scope)
        answer = answer_to(scope)
        answer.headers["x-request-id"] = id
        seen = _Seen(answer, send)
        self.metrics.open.inc()
        with structlog.contextvars.bound_contextvars(**{REQUEST: id}):
            try:
                await self.app(scope, receive, seen.send)
            except asyncio.CancelledError:  # the service ends, and waited as long as it does
                await seen.cut()
            finally:
                self.metrics.open.dec()
                self._over(scope, answer, seen)

    def _over(self, scope: Scope, answer: Answer, seen: _Seen) -> None:
        now = time.perf_counter()
        route = _route(scope)
        if scope["method"] == "HEAD":  # the server keeps such bodies to itself
            seen.sent, seen.first_byte_at = 0, 0.0
        first_byte = seen.first_byte_at - seen.began if seen.first_byte_at else None
        self.metrics.answered(
            route=route, method=scope["method"], status=seen.status, sent=seen.sent, first_byte=first_byte
        )
        facts: dict[str, Any] = {
            "method": scope["method"],
            # As it came: its escapes can't write into the log.
            "path": (scope.get("raw_path") or scope["path"].encode())[:300].decode("ascii", "backslashreplace"),
            "status": seen.status,
            "bytes": seen.sent,
            "ms": round(1000 * (now - seen.began), 1),
        }
        if first_byte is not None:
            facts["first_byte_ms"] = round(1000 * first_byte, 1)
        if answer.caller:
            facts["caller"] = answer.caller
        log.log(logging.DEBUG if route in QUIET else logging.INFO, "request", **facts)


class _Seen:
    """What went out. status 500 if nothing did."""

    def __init__(self, answer: Answer, send: Send) -> None:
        self._answer = answer
        self._send = send
        self.began = time.perf_counter()
        self.first_byte_at = 0.0
        self.begun = False
        self.status = 500
        self.sent = 0

    async def cut(self) -> None:
        """Nothing more is said; that much, if nothing was."""
        if not self.begun:
            headers = [(b"retry-after", b"5"), (b"content-length", b"0")]
            await self.send({"type": "http.response.start", "status": 503, "headers": headers})
            await self.send({"type": "http.response.body", "body": b""})

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            self.status = message["status"]
            message["headers"] = self._answer.complete(list(message.get("headers", ())))
        elif count := message.get("count") or len(message.get("body", b"")):
            if not self.sent:
                self.first_byte_at = time.perf_counter()
            self.sent += count
        await self._send(message)


def _id_of(scope: Scope) -> str:
    """The caller's own id of the request, if it can be one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            return str(value, "ascii")
    return secrets.token_hex(8)


def _route(scope: Scope) -> str:
    """The template of the route, such as /v1/descendants/{id}; of nothing we have, `other`."""
    return getattr(scope.get("route"), "path_format", "other")

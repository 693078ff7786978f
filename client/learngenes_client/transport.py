"""Carries a `Call` over the network. The one module that imports httpx.

Why httpx and not httpx2: the project was asked for httpx, so the client depends on
`httpx>=0.28,<0.29`. httpx2 is the maintained line of the same library with the same names;
moving to it is the import line below (`import httpx2 as httpx`) and one line in pyproject.toml.

Every httpx error leaves this file as one of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from learngenes_client.calls import Answer, Call
from learngenes_client.errors import BadAnswer, Dropped, InvalidArgument, NetworkError, Stalled, Unreachable

ANSWER_BYTES_LIMIT = 16 * 2**20
"""No document, list or problem is longer; what is longer is not from this service."""

KEY = re.compile(r"[A-Za-z0-9._~+/=-]+")
IDLE_SECONDS = 2.0
"""An idle connection is not used again after this: uvicorn closes it at 5, and a call must not meet that."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """An answer whose body has not been read yet. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]

    def whole(self) -> Answer:
        """The answer with its body; BadAnswer past ANSWER_BYTES_LIMIT."""
        body = bytearray()
        for chunk in self.chunks:
            body += chunk
            if len(body) > ANSWER_BYTES_LIMIT:
                raise BadAnswer(f"the answer is longer than {ANSWER_BYTES_LIMIT} bytes; is this the service?")
        return Answer(self.status, self.headers, bytes(body))


class Transport:
    """A pool of connections to one service. Safe to use from several threads.

    timeout_seconds: for connecting and for each silence in a document's answer;
    stall_seconds: for each silence in a file's answer. InvalidArgument if base_url is not http(s).
    key: sent with each call, but not to where a redirect leads away from the service; never shown.
    """

    def __init__(self, base_url: str, *, timeout_seconds: float, stall_seconds: float, key: str | None = None) -> None:
        self.address = _address(base_url)
        if key and not KEY.fullmatch(key):
            raise InvalidArgument(
                "a key is written in letters, digits, '_', '-' and '.', without blanks; this one is not"
            )
        self._timeout_seconds, self._stall_seconds = timeout_seconds, stall_seconds
        try:
            self._http = httpx.Client(
                base_url=base_url,
                headers={"User-Agent": "learngenes-client", "Accept-Encoding": "identity"}
                | ({"Authorization": f"Bearer {key}"} if key else {}),
                limits=httpx.Limits(keepalive_expiry=IDLE_SECONDS),
            )
        except httpx.InvalidURL as error:
            raise InvalidArgument(f"{base_url!r} is no service address: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def ask(self, call: Call) -> Answer:
        """The whole answer, whatever its status; NetworkError if none came."""
        with self._open(call, self._timeout_seconds) as incoming:
            return incoming.whole()

    @contextmanager
    def stream(self, call: Call) -> Iterator[Incoming]:
        """The answer as it arrives; reading its chunks may raise NetworkError too."""
        with self._open(call, self._stall_seconds) as incoming:
            yield incoming

    @contextmanager
    def _open(self, call: Call, silence_seconds: float) -> Iterator[Incoming]:
        try:
            with self._http.stream(
                call.method,
                call.path,
                params=dict(call.query) or None,
                headers=dict(call.headers),
                json=call.json,
                timeout=httpx.Timeout(self._timeout_seconds, read=silence_seconds),
                follow_redirects=call.method == "GET",  # a redirected POST would lose its body
            ) as response:
                if response.headers.get("content-encoding", "identity") != "identity":
                    raise BadAnswer(f"{self.address}{call.path}: the body is encoded and should not be")
                headers = {name.lower(): value for name, value in response.headers.items()}
                yield Incoming(response.status_code, headers, response.iter_raw())
        except httpx.HTTPError as error:
            raise self._named(error, f"{self.address}{call.path}", silence_seconds) from error

    def _named(self, error: httpx.HTTPError, where: str, silence_seconds: float) -> NetworkError | BadAnswer:
        match error:
            case httpx.ConnectTimeout() | httpx.PoolTimeout():
                return Unreachable(f"no connection to {self.address} in {self._timeout_seconds:g} seconds")
            case httpx.ConnectError() | httpx.ProxyError():
                return Unreachable(f"no connection to {self.address}: {error}")
            case httpx.ReadTimeout():
                return Stalled(where, silence_seconds)
            case httpx.WriteTimeout():
                return Stalled(where, self._timeout_seconds)
            case httpx.NetworkError() | httpx.RemoteProtocolError():
                return Dropped(f"{where}: {str(error) or 'the connection was cut'}")
            case _:
                return BadAnswer(f"{where}: {error}")


def _address(base_url: str) -> str:
    """base_url without a user name, password or trailing slash, fit for a message."""
    try:
        parts = urlsplit(base_url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError as error:
        raise InvalidArgument(f"{base_url!r} is no service address: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidArgument(f"a service address begins with http:// or https://, got {base_url!r}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"

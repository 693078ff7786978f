"""Carries a `Call` over the network, waiting or awaiting. The one module that imports httpx.

Why httpx and not httpx2: the project was asked for httpx, so the client depends on
`httpx>=0.28,<0.29`. httpx2 is the maintained line of the same library with the same names;
moving to it is the import line below (`import httpx2 as httpx`) and one line in pyproject.toml.

Every httpx error leaves this file as one of ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from learngenes_client.calls import Answer, Call, Opened
from learngenes_client.errors import BadAnswer, Dropped, InvalidArgument, Stalled, Unanswered, Unreachable
from learngenes_client.retries import judged, retrying
from learngenes_client.service import Service

ANSWER_BYTES_LIMIT = 16 * 2**20
"""No document, list or problem is longer; what is longer is not from this service."""

IDLE_SECONDS = 2.0
"""An idle connection is not used again after this: uvicorn closes it at 5, and a call must not meet that."""

SENT_BYTES = 2**20
"""So much of a file is read at once."""


class Opening:
    """An answer as it arrives."""

    def __init__(self, service: Service, call: Call, response: httpx.Response, silence_seconds: float) -> None:
        self._service, self._call, self._silence_seconds = service, call, silence_seconds
        self._response, self._chunks = response, response.iter_raw()
        self.opened = _opened(service, call, response)

    def read(self) -> bytes | None:
        """The next bytes, None at the end; NetworkError."""
        with _named(self._service, self._call, self._silence_seconds):
            return next(self._chunks, None)

    def close(self) -> None:
        """Give the connection back, or up if the answer was not read to its end."""
        self._response.close()


class Transport:
    """A pool of connections to one service. Safe to use from several threads."""

    def __init__(self, service: Service) -> None:
        self._service = service
        try:
            self._http = httpx.Client(**_options(service))
        except httpx.InvalidURL as error:
            raise InvalidArgument(f"{service.base_url!r} is no service address: {error}") from error

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def ask(self, call: Call) -> Answer:
        """The whole answer; NetworkError if none came, ServiceUnavailable if it stayed `not now`."""
        for attempt in retrying(call, tries=self._service.tries):
            with attempt:
                return judged(self._whole(call))
        raise AssertionError("stamina raises the last error")

    def open(self, call: Call) -> Opening:
        """The answer as it arrives, whatever its status. Asked once, and to be closed."""
        return self._send(call, max(self._service.stall_seconds, call.pause_seconds))

    def _whole(self, call: Call) -> Answer:
        opening = self._send(call, self._service.timeout_seconds)
        try:
            body = bytearray()
            while chunk := opening.read():
                body += _small(chunk, body)
            return Answer(opening.opened.status, opening.opened.headers, bytes(body))
        finally:
            opening.close()

    def _send(self, call: Call, silence_seconds: float) -> Opening:
        service = self._service
        with _named(service, call, silence_seconds):
            request = _request(service, self._http, call, silence_seconds)
            response = self._http.send(request, stream=True, follow_redirects=_follows(call))
        try:
            return Opening(service, call, response, silence_seconds)
        except BaseException:
            response.close()
            raise


class AsyncOpening:
    """An answer as it arrives."""

    def __init__(self, service: Service, call: Call, response: httpx.Response, silence_seconds: float) -> None:
        self._service, self._call, self._silence_seconds = service, call, silence_seconds
        self._response, self._chunks = response, response.aiter_raw()
        self.opened = _opened(service, call, response)

    async def read(self) -> bytes | None:
        """As Opening.read."""
        with _named(self._service, self._call, self._silence_seconds):
            return await anext(self._chunks, None)

    async def close(self) -> None:
        """As Opening.close."""
        await self._response.aclose()


class AsyncTransport:
    """As Transport, for one event loop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        try:
            self._http = httpx.AsyncClient(**_options(service))
        except httpx.InvalidURL as error:
            raise InvalidArgument(f"{service.base_url!r} is no service address: {error}") from error

    async def close(self) -> None:
        """As Transport.close."""
        await self._http.aclose()

    async def ask(self, call: Call) -> Answer:
        """As Transport.ask."""
        async for attempt in retrying(call, tries=self._service.tries):
            with attempt:
                return judged(await self._whole(call))
        raise AssertionError("stamina raises the last error")

    async def open(self, call: Call) -> AsyncOpening:
        """As Transport.open."""
        return await self._send(call, max(self._service.stall_seconds, call.pause_seconds))

    async def _whole(self, call: Call) -> Answer:
        opening = await self._send(call, self._service.timeout_seconds)
        try:
            body = bytearray()
            while chunk := await opening.read():
                body += _small(chunk, body)
            return Answer(opening.opened.status, opening.opened.headers, bytes(body))
        finally:
            await opening.close()

    async def _send(self, call: Call, silence_seconds: float) -> AsyncOpening:
        service = self._service
        with _named(service, call, silence_seconds):
            request = _request(service, self._http, call, silence_seconds)
            response = await self._http.send(request, stream=True, follow_redirects=_follows(call))
        try:
            return AsyncOpening(service, call, response, silence_seconds)
        except BaseException:
            await response.aclose()
            raise


def _options(service: Service) -> dict[str, Any]:
    """How httpx's clients are made."""
    return {
        "base_url": service.base_url,
        "headers": {"User-Agent": "learngenes-client", "Accept-Encoding": "identity"}
        | ({"Authorization": f"Bearer {service.key}"} if service.key else {}),
        "limits": httpx.Limits(keepalive_expiry=IDLE_SECONDS),
    }


def _request(
    service: Service, http: httpx.Client | httpx.AsyncClient, call: Call, silence_seconds: float
) -> httpx.Request:
    content = None
    if call.file is not None:
        content = _pieces(call.file) if isinstance(http, httpx.Client) else _async_pieces(call.file)
    try:
        return http.build_request(
            call.method,
            call.path,
            params=dict(call.query) or None,
            headers=dict(call.headers),
            json=call.json,
            content=content,
            timeout=httpx.Timeout(service.timeout_seconds, read=silence_seconds),
        )
    except (httpx.InvalidURL, ValueError, TypeError) as error:  # no address, no text, no JSON
        raise InvalidArgument(f"what was to be sent to {call.path:.80} can't be: {error}") from error


def _opened(service: Service, call: Call, response: httpx.Response) -> Opened:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise BadAnswer(f"{service.address}{call.path}: the body is encoded and should not be")
    return Opened(response.status_code, {name.lower(): value for name, value in response.headers.items()})


def _follows(call: Call) -> bool:
    return call.method == "GET"  # a redirected POST would lose its body


def _small(chunk: bytes, before: bytearray) -> bytes:
    if len(before) + len(chunk) > ANSWER_BYTES_LIMIT:
        raise BadAnswer(f"the answer is longer than {ANSWER_BYTES_LIMIT} bytes; is this the service?")
    return chunk


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(SENT_BYTES):
            yield piece


async def _async_pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, SENT_BYTES):
            yield piece


@contextmanager
def _named(service: Service, call: Call, silence_seconds: float) -> Iterator[None]:
    """httpx's errors as ours."""
    where = f"{service.address}{call.path}"
    try:
        yield
    except (httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise Unanswered(f"no connection to {service.address} in {service.timeout_seconds:g} seconds") from error
    except (httpx.ConnectError, httpx.ProxyError) as error:
        raise Unreachable(f"no connection to {service.address}: {error}") from error
    except httpx.ReadTimeout as error:
        raise Stalled(where, silence_seconds) from error
    except httpx.WriteTimeout as error:
        raise Stalled(where, service.timeout_seconds) from error
    except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
        raise Dropped(f"{where}: {str(error) or 'the connection was cut'}") from error
    except httpx.HTTPError as error:
        raise BadAnswer(f"{where}: {error}") from error

"""Errors as application/problem+json (RFC 9457): a stable `code`, one sentence, and what would be legal."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from learngenes import errors
from learngenes.errors import LearngenesError, NeedsLearning, UnsupportedSize, Yanked, suggest
from learngenes.sizes import Size, SizeSpace

RETRY_SECONDS = "5"
"""What a caller is told to wait where the store can't be asked."""

CLOSING = {"connection": "close"}
UNREAD = frozenset({401, 403, 408, 411, 413, 429, 507})
"""Statuses that are answered before a body was read."""

DRAINED_BYTES = 64 << 20
"""A body that was refused is still read, up to so much: who sends all before reading sees the answer."""

MESSAGE_CHARACTERS = 600
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")

Handler = Callable[[Request, Exception], Awaitable[Response]]

log = logging.getLogger("learngenes.service")

STATUS: dict[type[LearngenesError], int] = {
    errors.InvalidValue: 422,
    errors.UnknownName: 422,
    errors.InvalidKey: 422,
    errors.UnsupportedSize: 422,
    errors.NeedsLearning: 409,
    errors.LearngeneNotFound: 404,
    errors.Yanked: 410,
    errors.NotSigned: 404,
    errors.BadSignature: 422,
    errors.BlobNotFound: 500,
    errors.BlobExists: 409,
    errors.StoreUnavailable: 503,
    errors.BadTensorFile: 500,
    errors.BadManifest: 500,
    errors.BadRecipe: 500,
    errors.CorruptLearngene: 500,
    errors.BadData: 500,
    errors.BadCheckpoint: 500,
}
"""Every error of the library and the status it becomes."""


class DescendantNotFound(LearngenesError):
    """No descendant was asked for under this id."""

    code = "descendant-not-found"

    def __init__(self, id: str) -> None:
        super().__init__(
            f"no descendant {id[:80]!r} here: POST /initialize names its id, 64 hex digits, in Content-Location"
        )


class Problem(BaseModel):
    """RFC 9457, with our stable `code`, and the `request_id` of the log.

    `legal` and `nearest` where a size can't be; `size` and `ready` where it has to be fitted first; `learngene`,
    `reason` and `at` of a version that was taken back; `errors` for each field at fault.
    """

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None = None


class ProblemResponse(Response):
    """A problem as the answer."""

    media_type = "application/problem+json"

    def __init__(
        self, status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        body: dict[str, Any] = {
            "type": f"/problems/{code}",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            "code": code,
        }
        if request_id := structlog.contextvars.get_contextvars().get("request_id"):
            body["request_id"] = request_id
        # ASCII only: a lone surrogate in what the caller sent must not break the answer.
        super().__init__(
            json.dumps(body | more).encode("ascii"), status, {"cache-control": "no-store"} | (headers or {})
        )


class Refusal(Exception):
    """A problem that is ready to be sent."""

    def __init__(self, response: ProblemResponse) -> None:
        self.response = response
        super().__init__(response.body)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For an endpoint's `responses`: these statuses answer with a problem."""
    return {status: {"model": Problem, "content": {"application/problem+json": {}}} for status in statuses}


def size_facts(space: SizeSpace, nearest: Size | None) -> dict[str, Any]:
    """`legal` and `nearest` of a problem."""
    facts: dict[str, Any] = {"legal": asdict(space)}
    return facts | ({"nearest": asdict(nearest)} if nearest else {})


def install(app: FastAPI) -> None:
    """Every error of the app, expected or not, answers with a problem."""
    for kind, handler in _handlers().items():
        app.add_exception_handler(kind, handler)


async def problem_of(request: Request, error: Exception) -> Response:
    """What the app would answer this error with; for a part of it that has more to say."""
    handlers = _handlers()
    return await handlers[next(kind for kind in type(error).__mro__ if kind in handlers)](request, error)


def closing(response: ProblemResponse, sent: Headers) -> ProblemResponse:
    """The same, and the end of a connection on which far more is said to come than is worth waiting for."""
    declared = sent.get("content-length", "")
    if response.status_code in UNREAD and declared.isdecimal() and int(declared[:20]) > DRAINED_BYTES:
        response.headers.update(CLOSING)
    return response


def hub_headers(code: str, message: str) -> dict[str, str]:
    """What clients of a Hugging Face hub branch on and show: one line of printable ASCII, as a header has to be."""
    line = _UNPRINTABLE.sub("?", " ".join(message.split()))
    return {"x-error-code": code, "x-error-message": line[:MESSAGE_CHARACTERS]}


def _handlers() -> dict[type[Exception], Handler]:
    return {
        LearngenesError: _of_library,
        Refusal: _of_refusal,
        RequestValidationError: _of_validation,
        HTTPException: _of_http,
        ClientDisconnect: _of_gone,
        Exception: _unexpected,
    }


async def _of_library(request: Request, error: Exception) -> Response:
    assert isinstance(error, LearngenesError)
    status = 404 if isinstance(error, DescendantNotFound) else STATUS[type(error)]
    if status >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error)
        if status == 503:
            detail = "the store of the learngenes can't be asked now; try again, the service's log says why"
            return ProblemResponse(status, error.code, detail, headers={"retry-after": RETRY_SECONDS})
        return ProblemResponse(status, error.code, "this learngene can't be served; the service's log says why")
    if isinstance(error, UnsupportedSize):
        return ProblemResponse(status, error.code, str(error), **size_facts(error.space, error.nearest))
    if isinstance(error, NeedsLearning):
        ready = [asdict(size) for size in error.ready]
        return ProblemResponse(status, error.code, str(error), size=asdict(error.size), ready=ready)
    if isinstance(error, Yanked):
        detail = f"learngene {error.reference} was taken back: {error.reason}; ?yanked=allow has it all the same"
        return ProblemResponse(status, error.code, detail, learngene=error.reference, reason=error.reason, at=error.at)
    return ProblemResponse(status, error.code, str(error))


async def _of_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return closing(error.response, request.headers)


async def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return validation_problem(error.errors())


def validation_problem(
    faults: Any, *, known: tuple[str, ...] = (), elsewhere: Mapping[str, str] | None = None, **more: Any
) -> ProblemResponse:
    """422 for a body or query that is not what was asked for.

    known: fields to suggest for an unknown one; elsewhere: where fields belong that were given in the wrong place.
    """
    rows = [_fault(fault, known, elsewhere or {}) for fault in faults]
    detail = "; ".join(row["message"] if not row["field"] else f"{row['field']}: {row['message']}" for row in rows)
    return ProblemResponse(422, "invalid-request", detail, errors=rows, **more)


def _fault(fault: dict[str, Any], known: tuple[str, ...], elsewhere: Mapping[str, str]) -> dict[str, str]:
    place = [str(part) for part in fault["loc"] if part not in ("body", "query", "path")]
    field = ".".join(place)[:80]
    if fault["type"] == "extra_forbidden":
        way = f"did you mean {elsewhere[field]!r}?" if field in elsewhere else suggest(field, known)
        return {"field": field, "message": f"unknown field; {way}"}
    message = str(fault["msg"])
    if fault["type"] not in ("missing", "json_invalid", "model_attributes_type"):
        message += f", got {_shown(fault.get('input'))}"
    return {"field": field, "message": message}


def _shown(value: Any) -> str:
    try:
        return repr(value)[:80]
    except ValueError:  # Python writes no whole number of thousands of digits
        return "a number of too many digits"


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}.get(error.status_code, "http-error")
    detail = {
        404: f"nothing is at {request.url.path[:200]}; /docs lists what is here",
        405: f"{request.method} is not for {request.url.path[:200]}",
    }.get(error.status_code, str(error.detail))
    headers = dict(error.headers) if error.headers else None
    return ProblemResponse(error.status_code, code, detail, headers=headers)


async def _of_gone(request: Request, error: Exception) -> Response:
    """Nobody reads it: for the log and the metrics, where it is no failure of the service."""
    return ProblemResponse(400, "client-gone", "the client ended the connection before it had its answer")


async def _unexpected(request: Request, error: Exception) -> Response:
    log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    return ProblemResponse(500, "internal", "an error of the service; its log says more")

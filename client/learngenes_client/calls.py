"""Every call of the service as plain data, and its answer back to a model. No I/O here.

Builders return a `Call`; `read_*` turn the `Answer` to it into a model or raise a ServiceError.
A download is planned by `download` and its first line judged by `read_download`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from learngenes_client.errors import (
    SERVICE_ERRORS,
    BadAnswer,
    ClientError,
    InvalidArgument,
    ServiceError,
    ServiceUnavailable,
    TooManyRequests,
)
from learngenes_client.models import (
    Catalog,
    Document,
    Learngene,
    Method,
    document_from,
    is_sha256,
    learngene_from,
    method_from,
    objects,
    take,
)
from learngenes_client.ranking import Ranking, ranking_from
from learngenes_client.request import Budget, Request

JSON_HEADERS = {"Accept": "application/json"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(@[A-Za-z0-9._-]+)?")
STRONG = re.compile(r'"[!#-~]+"')
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Call:
    """One request. path begins with "/" and is appended to the service's address."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def initialize(request: Request) -> Call:
    """Ask for the descendant's document with the sha256 of its weights, but not for them."""
    return Call("POST", "/initialize", headers=JSON_HEADERS, json=_said(request))


def plan(wanted: Request | Budget) -> Call:
    """Ask what a descendant would be, its sha256 left open, or which descendants fit a budget."""
    return Call("POST", "/v1/plan", headers=JSON_HEADERS, json=_said(wanted))


def descendant(id: str) -> Call:
    """Ask for the document of a descendant met before."""
    if not is_sha256(id):
        raise InvalidArgument(f"a descendant's id is 64 lower-case hex digits, got {id!r}")
    return Call("GET", f"/v1/descendants/{id}", headers=JSON_HEADERS)


def learngenes() -> Call:
    """Ask for all learngenes."""
    return Call("GET", "/v1/learngenes", headers=JSON_HEADERS)


def learngene(name: str) -> Call:
    """Ask for one learngene, `name` or `name@version`."""
    if not NAME.fullmatch(name):
        raise InvalidArgument(f"a learngene is named 'name' or 'name@version', got {name!r}")
    return Call("GET", f"/v1/learngenes/{name}", headers=JSON_HEADERS)


def methods() -> Call:
    """Ask for all methods."""
    return Call("GET", "/v1/methods", headers=JSON_HEADERS)


def read_document(answer: Answer) -> Document:
    """What `initialize`, `descendant` and, of a descendant, `plan` ask for."""
    return document_from(_object(answer))


def read_ranking(answer: Answer) -> Ranking:
    """What `plan` asks for of a budget."""
    return ranking_from(_object(answer))


def read_learngenes(answer: Answer) -> Catalog:
    """What `learngenes` asks for."""
    raw = _object(answer)
    default = None if raw.get("default") is None else take(raw, "default", str)
    return Catalog(default, tuple(learngene_from(entry) for entry in objects(raw, "learngenes")))


def read_learngene(answer: Answer) -> Learngene:
    """What `learngene` asks for."""
    return learngene_from(_object(answer))


def read_methods(answer: Answer) -> tuple[Method, ...]:
    """What `methods` asks for."""
    return tuple(method_from(entry) for entry in objects(_object(answer), "methods"))


def _said(wanted: Request | Budget) -> dict[str, Any]:
    """The fields that are not None, every other kind of sequence as a list."""
    body = {field.name: getattr(wanted, field.name) for field in dataclasses.fields(wanted)}
    return {
        name: list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        for name, value in body.items()
        if value is not None
    }


def refusal(answer: Answer) -> ClientError:
    """The error an answer stands for that is not the one hoped for; to be raised by the caller."""
    try:
        problem = json.loads(answer.body)
    except (ValueError, RecursionError):
        problem = None
    wait = answer.headers.get("retry-after", "")
    waiting = {"retry_after": int(wait)} if wait.isascii() and wait.isdecimal() and len(wait) < 9 else {}
    if answer.status >= 400 and isinstance(problem, dict) and isinstance(problem.get("code"), str):
        known = SERVICE_ERRORS.get(problem["code"])
        return (known or _by_status(answer.status))(answer.status, problem | waiting)
    if answer.status == 429 or answer.status >= 500:
        return _by_status(answer.status)(answer.status, {"title": f"the server answered {answer.status}"} | waiting)
    moved = f", pointing to {answer.headers['location']!r}" if "location" in answer.headers else ""
    return BadAnswer(f"the server answered {answer.status}{moved} without a problem; is this the service?")


def _by_status(status: int) -> type[ServiceError]:
    if status == 429:
        return TooManyRequests
    return ServiceUnavailable if status >= 500 else ServiceError


def _object(answer: Answer) -> dict[str, Any]:
    if answer.status != 200:
        raise refusal(answer)
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        kind = answer.headers.get("content-type", "nothing in particular")
        raise BadAnswer(f"the answer should be JSON and is {kind}: {error}") from error
    if not isinstance(value, dict):
        raise BadAnswer(f"the answer should be a JSON object, got {type(value).__name__}")
    return value


@dataclass(frozen=True, slots=True)
class Whole:
    """The body is the file from its first byte. total: its length or, if not said, None; etag: if strong."""

    total: int | None
    etag: str | None


@dataclass(frozen=True, slots=True)
class Rest:
    """The body goes on exactly where the caller stopped. total: length of the whole file."""

    total: int


@dataclass(frozen=True, slots=True)
class NotTheRest:
    """What the caller has does not fit what is there: start anew, without a range."""


def download(path: str, *, have: int, etag: str | None) -> Call:
    """Ask for a file from byte `have` on, of the version that etag (strong) names; without one for all."""
    headers = {"Accept": "*/*"}
    if have and etag:
        headers |= {"Range": f"bytes={have}-", "If-Range": etag}
    return Call("GET", path, headers=headers)


def read_download(call: Call, status: int, headers: Mapping[str, str]) -> Whole | Rest | NotTheRest | None:
    """What the body of the answer to `download` will be; None if it is a refusal, to be read and raised.

    A 206 counts only if it begins at the byte asked for and is of the version asked for.
    """
    asked = call.headers.get("Range")
    if status == 200:
        length = headers.get("content-length", "")
        etag = headers.get("etag", "")
        return Whole(int(length) if length.isdecimal() else None, etag if STRONG.fullmatch(etag) else None)
    if status == 206 and asked is None:
        raise BadAnswer(f"{call.path}: the server answered a part where the whole was asked for")
    if status == 416 and asked is not None:
        return NotTheRest()
    if status == 206:
        given = CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        same = headers.get("etag", call.headers["If-Range"]) == call.headers["If-Range"]
        if given is None or not same or asked != f"bytes={int(given[1])}-":
            return NotTheRest()
        return Rest(int(given[2]))
    return None

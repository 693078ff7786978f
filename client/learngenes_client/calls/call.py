"""One call as plain data, and the errors that its answer may stand for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from learngenes_client.errors import (
    SERVICE_ERRORS,
    BadAnswer,
    ClientError,
    ServiceError,
    ServiceUnavailable,
    TooManyRequests,
)

JSON_HEADERS = {"Accept": "application/json"}
DONE = (200, 201, 202)


@dataclass(frozen=True, slots=True)
class Call:
    """One request. path begins with "/" and is appended to the service's address.

    json: the body, or else file: what is sent from disk as it lies. idempotent: twice is the same as once, so that it
    may be asked again when no answer came. pause_seconds: how long its body may be silent at least, and all is well.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None
    file: Path | None = None
    idempotent: bool = True
    pause_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """The first lines of an answer whose body is still to come. Header names are lower case."""

    status: int
    headers: Mapping[str, str]


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


def read_object(answer: Answer, *, statuses: tuple[int, ...] = (200,)) -> dict[str, Any]:
    """The JSON object of an answer of these statuses; any other is raised as what it stands for."""
    if answer.status not in statuses:
        raise refusal(answer)
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        kind = answer.headers.get("content-type", "nothing in particular")
        raise BadAnswer(f"the answer should be JSON and is {kind}: {error}") from error
    if not isinstance(value, dict):
        raise BadAnswer(f"the answer should be a JSON object, got {type(value).__name__}")
    return value

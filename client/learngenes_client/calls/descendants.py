"""Calls about descendants: what one would be, which there are, and their files."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from learngenes_client.calls.call import JSON_HEADERS, Answer, Call, read_object
from learngenes_client.errors import BadAnswer, InvalidArgument
from learngenes_client.models import Document, document_from, is_sha256
from learngenes_client.ranking import Ranking, ranking_from
from learngenes_client.request import Budget, Request

STRONG = re.compile(r'"[!#-~]+"')
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")
YANKED = {"yanked": "allow"}
"""Versions that were taken back are built and sent only to who says that he knows."""


def initialize(request: Request, *, allow_yanked: bool = False) -> Call:
    """Ask for the descendant's document with the sha256 of its weights, but not for them."""
    return Call("POST", "/initialize", _yanked(allow_yanked), JSON_HEADERS, json=said(request))


def plan(wanted: Request | Budget, *, allow_yanked: bool = False) -> Call:
    """Ask what a descendant would be, its sha256 left open, or which descendants fit a budget."""
    return Call("POST", "/v1/plan", _yanked(allow_yanked), JSON_HEADERS, json=said(wanted))


def descendant(id: str, *, allow_yanked: bool = False) -> Call:
    """Ask for the document of a descendant met before."""
    if not is_sha256(id):
        raise InvalidArgument(f"a descendant's id is 64 lower-case hex digits, got {id!r}")
    return Call("GET", f"/v1/descendants/{id}", _yanked(allow_yanked), JSON_HEADERS)


def small(url: str, *, allow_yanked: bool = False) -> Call:
    """Ask for a small file, to be read as it is."""
    return Call("GET", url, _yanked(allow_yanked), {"Accept": "*/*"})


def read_document(answer: Answer) -> Document:
    """What `initialize`, `descendant` and, of a descendant, `plan` ask for."""
    return document_from(read_object(answer))


def read_ranking(answer: Answer) -> Ranking:
    """What `plan` asks for of a budget."""
    return ranking_from(read_object(answer))


def said(wanted: Request | Budget) -> dict[str, Any]:
    """The fields that are not None, every other kind of sequence as a list."""
    body = {field.name: getattr(wanted, field.name) for field in dataclasses.fields(wanted)}
    return {
        name: list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        for name, value in body.items()
        if value is not None
    }


def _yanked(allow: bool) -> dict[str, str]:
    return dict(YANKED) if allow else {}


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


def download(path: str, *, have: int, etag: str | None, allow_yanked: bool = False) -> Call:
    """Ask for a file from byte `have` on, of the version that etag (strong) names; without one for all."""
    headers = {"Accept": "*/*"}
    if have and etag:
        headers |= {"Range": f"bytes={have}-", "If-Range": etag}
    return Call("GET", path, _yanked(allow_yanked), headers)


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

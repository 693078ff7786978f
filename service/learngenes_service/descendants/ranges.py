"""What a request wants of a file: RFC 9110 conditions and a single byte range, decided without I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=\s*(\d{0,19})\s*-\s*(\d{0,19})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """status 200, 206, 304 or 416, and bytes [start, stop) of the file."""

    status: int
    start: int
    stop: int

    def headers(self, size: int) -> dict[str, str]:
        """Content-Length and Content-Range."""
        match self.status:
            case 304 | 416:
                return {}
            case 206:
                return {
                    "content-range": f"bytes {self.start}-{self.stop - 1}/{size}",
                    "content-length": str(self.stop - self.start),
                }
        return {"content-length": str(size)}


def negotiate(headers: Mapping[str, str], *, method: str, size: int, etag: str) -> Answer:
    """What to answer for a file of `size` bytes with this strong ETag (quoted).

    Several ranges, or a Range we do not understand, are answered with the whole file, as the RFC allows.
    """
    none_match = headers.get("if-none-match")
    if none_match is not None and method in ("GET", "HEAD") and _matches(none_match, etag):
        return Answer(304, 0, 0)
    whole = Answer(200, 0, size)
    wanted = headers.get("range")
    if method != "GET" or wanted is None or headers.get("if-range", etag) != etag:
        return whole
    found = _RANGE.fullmatch(wanted)
    if found is None or found.groups() == ("", ""):
        return whole
    first, last = found.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return whole
    return Answer(206, start, stop) if start < stop else Answer(416, 0, 0)


def _matches(candidates: str, etag: str) -> bool:
    """Weak comparison, as If-None-Match wants it."""
    tags = [tag.strip().removeprefix("W/") for tag in candidates.split(",")]
    return "*" in tags or etag in tags

"""Sending a small file: a strong ETag, ranges, and its digest."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import PurePath

from starlette.requests import Request
from starlette.responses import Response

from learngenes_service.descendants.ranges import negotiate
from learngenes_service.descendants.response import out_of_range

FOR_EVER = "public, max-age=31536000, immutable"
REVALIDATED = "public, no-cache"
"""For what a newer version of this software or another version of a learngene may say otherwise."""

MEDIA_TYPES = {".json": "application/json", ".md": "text/markdown; charset=utf-8"}


def small_response(
    request: Request, name: str, raw: bytes, *, cache_control: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer to a GET or HEAD of a file of this name and content."""
    sha256 = hashlib.sha256(raw)
    etag = f'"{sha256.hexdigest()}"'
    answer = negotiate(request.headers, method=request.method, size=len(raw), etag=etag)
    if answer.status == 416:
        return out_of_range(len(raw))
    said = {
        "etag": etag,
        "accept-ranges": "bytes",
        "cache-control": cache_control,
        "repr-digest": f"sha-256=:{base64.b64encode(sha256.digest()).decode()}:",
        **answer.headers(len(raw)),
        **(headers or {}),
    }
    body = raw[answer.start : answer.stop] if request.method == "GET" else b""
    return Response(body, answer.status, said, media_type=MEDIA_TYPES[PurePath(name).suffix])

"""The page's own files: read once, named by their content, so that they may be kept for ever.

Script and style are written in files by subject, and are one file each to the browser.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from fastapi import Request
from starlette.responses import Response

from learngenes_service.descendants.ranges import negotiate
from learngenes_service.problems import ProblemResponse

STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
SCRIPT = ("remembering", "views", "choosing", "snippets", "downloading", "curves", "jobs", "uploading", "start")
STYLE = ("colours", "layout", "controls", "facts", "charts", "tables", "jobs", "uploading", "screens")
"""In the order in which they are joined: of rules that are as strong, the last one counts."""

DIGITS = 12
"""Of the sha256 in a file's address."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file. address: where it is kept for ever."""

    name: str
    raw: bytes
    packed: bytes
    sha256: bytes
    media_type: str

    @property
    def address(self) -> str:
        """`/page/<name>.<digest><suffix>`."""
        stem, _, suffix = self.name.rpartition(".")
        return f"/page/{stem}.{self.sha256.hex()[:DIGITS]}.{suffix}"


@cache
def assets() -> Mapping[str, Asset]:
    """By name."""
    script, style = _joined("script", SCRIPT, ".js"), _joined("style", STYLE, ".css")
    # One function around all of it: nothing of it is a global name.
    files = {"page.js": b'"use strict";\n(() => {\n' + script + b"})();\n", "page.css": style}
    files |= {name: (STATIC / name).read_bytes() for name in ("icon.svg", "reference.js")}
    return MappingProxyType({name: _asset(name, raw) for name, raw in files.items()})


def _joined(folder: str, names: tuple[str, ...], suffix: str) -> bytes:
    return b"\n".join((STATIC / folder / f"{name}{suffix}").read_bytes() for name in names)


def _asset(name: str, raw: bytes) -> Asset:
    packed = gzip.compress(raw, 9, mtime=0)
    return Asset(name, raw, packed, hashlib.sha256(raw).digest(), MEDIA_TYPES[Path(name).suffix])


def asset_response(request: Request, name: str) -> Response:
    """A file by its name, or by its name and digest; a 404 problem for any other."""
    for asset in assets().values():
        if asset.address == f"/page/{name}":
            return _answer(request, asset, "public, max-age=31536000, immutable")
        if asset.name == name:
            return _answer(request, asset, "no-cache")
    return ProblemResponse(404, "not-found", f"nothing is at /page/{name[:100]}")


def _answer(request: Request, asset: Asset, kept: str) -> Response:
    packed = "gzip" in request.headers.get("accept-encoding", "").lower()
    raw = asset.packed if packed else asset.raw
    # Two forms of a file are two representations, so each has a tag of its own.
    etag = f'"{asset.sha256.hex()}{"-gzip" if packed else ""}"'
    headers = {"etag": etag, "cache-control": kept, "vary": "accept-encoding", "x-content-type-options": "nosniff"}
    conditions = {name: value for name, value in request.headers.items() if name == "if-none-match"}
    if negotiate(conditions, method=request.method, size=len(raw), etag=etag).status == 304:
        return Response(b"", 304, headers)
    if packed:
        headers["content-encoding"] = "gzip"
    else:
        headers["repr-digest"] = f"sha-256=:{base64.b64encode(asset.sha256).decode()}:"
    return Response(raw, 200, headers, media_type=asset.media_type)

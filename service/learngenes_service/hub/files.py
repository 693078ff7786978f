"""GET and HEAD of one file of a repository: the headers from which clients know what they have already."""

from __future__ import annotations

import asyncio
from pathlib import PurePath

from starlette.responses import Response

from learngenes_service.descendants.document import WEIGHTS
from learngenes_service.descendants.ranges import negotiate
from learngenes_service.descendants.response import MEDIA_TYPE, VirtualFileResponse
from learngenes_service.descendants.small import FOR_EVER, MEDIA_TYPES, REVALIDATED
from learngenes_service.hub.calls import REPEATED, Call
from learngenes_service.hub.finding import Found
from learngenes_service.hub.refusals import Refused, entry_missing
from learngenes_service.memory import Descendant

SHORT = 40
"""Digits of the recipe's digest that stand for weights whose sha256 is not known yet: not 64, so no client compares."""

SOON_SECONDS = 3.0
"""So long HEAD waits for a better ETag; clients give up after ten. GET does not wait: it has bytes to send."""


async def resolve(call: Call) -> Response:
    """The file, the part of it asked for, or that the client has it."""
    found, path = await call.found(call.part("revision")), call.part("path")
    headers = _common(found, path)
    descendant = None
    if path == WEIGHTS:
        descendant = await call.descendant(found, keep=call.wants_body and not call.misspelled)
        etag = await _etag(call, descendant)
        size = found.snapshot.weights
        # Proxies change ETags of what they compress, and leave these alone.
        headers |= {"x-linked-etag": f'"{etag}"', "x-linked-size": str(size)}
        if not found.snapshot.measured:
            headers["x-hf-warning"] = f"{found.snapshot.repo.id}; {found.snapshot.repo.id}: this size was not measured"
    elif path in found.snapshot.small:
        etag, size = found.snapshot.small[path].oid, found.snapshot.small[path].size
    else:
        raise entry_missing(f"{found.snapshot.repo.id} has no file {path[:200]!r}", commit=found.snapshot.id)
    headers["etag"] = f'"{etag}"'
    if call.misspelled:
        # Clients read these off the redirect, too.
        return call.redirect(headers)
    request = call.request
    answer = negotiate(request.headers, method=request.method, size=size, etag=headers["etag"])
    if answer.status == 416:
        message = f"the range starts behind the end: {path} has {size} bytes"
        kept = {name: headers[name] for name in REPEATED if name in headers}
        raise Refused(416, "RangeNotSatisfiable", message, headers=kept | {"content-range": f"bytes */{size}"})
    if not call.wants_body or answer.status == 304:
        return Response(b"", answer.status, headers | answer.headers(size))
    if descendant is not None:
        return VirtualFileResponse(
            descendant.file, computing=call.shelf.computing, headers=headers, etag=etag, answer=answer
        )
    raw = (await asyncio.to_thread(call.hub.snapshots.files, found.snapshot, found.chosen))[path]
    return Response(raw[answer.start : answer.stop], answer.status, headers | answer.headers(size))


def _common(found: Found, path: str) -> dict[str, str]:
    name = PurePath(path).name
    suffix = PurePath(path).suffix
    return {
        "x-repo-commit": found.snapshot.id,
        "accept-ranges": "bytes",
        "cache-control": FOR_EVER if found.pinned else REVALIDATED,
        "content-type": MEDIA_TYPE if path == WEIGHTS else MEDIA_TYPES.get(suffix, "application/octet-stream"),
        "content-disposition": f'inline; filename="{name}"' if name.isascii() and name.isprintable() else "inline",
    }


async def _etag(call: Call, descendant: Descendant) -> str:
    """The sha256 of the weights; of the two that these bytes can have, the one that the client holds."""
    short = descendant.file.id[:SHORT]
    held = " ".join(call.request.headers.get(name, "") for name in ("if-none-match", "if-range"))
    if f'"{short}"' in held:
        return short
    seconds = 0.0 if call.wants_body else SOON_SECONDS
    return await call.hub.digests.soon(descendant, call.shelf, seconds=seconds) or short

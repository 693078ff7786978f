"""Sending a virtual file: fair between clients, flat in memory, and done when the client is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from learngenes.recipe import Entry
from learngenes.stream import Fresh, Span, VirtualFile, cut, parts, view
from learngenes_service.descendants.ranges import negotiate
from learngenes_service.descendants.zerocopy import EXTENSION
from learngenes_service.problems import ProblemResponse

MEDIA_TYPE = "application/vnd.safetensors"
ZERO_COPY_BYTES = 2 << 20
"""Largest piece sent without copying: as nginx has it; larger ones make other clients wait."""


class VirtualFileResponse(Response):
    """Bytes of a descendant, the whole file or one range, with its id as strong ETag."""

    def __init__(self, file: VirtualFile, *, headers: Mapping[str, str]) -> None:
        self.file = file
        self.extra = headers
        self.status_code = 200
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        etag = f'"{self.file.id}"'
        answer = negotiate(Headers(scope=scope), method=scope["method"], size=self.file.size, etag=etag)
        if answer.status == 416:
            await out_of_range(self.file.size)(scope, receive, send)
            return
        headers = {
            "etag": etag,
            "accept-ranges": "bytes",
            "content-type": MEDIA_TYPE,
            "cache-control": "public, max-age=31536000, immutable",
            **answer.headers(self.file.size),
            **self.extra,
        }
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        if scope["method"] != "HEAD" and answer.status in (200, 206):
            zero_copy = EXTENSION in (scope.get("extensions") or {})
            await self._send_bytes(answer.start, answer.stop, receive, send, zero_copy=zero_copy)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_bytes(self, start: int, stop: int, receive: Receive, send: Send, *, zero_copy: bool) -> None:
        stored = self.file.tensors.file if zero_copy else None
        gone = asyncio.create_task(_until_disconnect(receive))
        try:
            for segment, first, last in parts(self.file, start=start, stop=stop):
                if stored is not None and isinstance(segment, Span):
                    for at in range(segment.start + first, segment.start + last, ZERO_COPY_BYTES):
                        if gone.done():
                            return
                        count = min(ZERO_COPY_BYTES, segment.start + last - at)
                        await send({"type": EXTENSION, "file": stored, "offset": at, "count": count, "more_body": True})
                        await asyncio.sleep(0)
                    continue
                if isinstance(segment, Fresh | Entry):
                    data = await asyncio.to_thread(view, self.file, segment)
                else:
                    data = view(self.file, segment)
                for piece in cut(data, first, last):
                    if gone.done():
                        return
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    # send() does not suspend while the client keeps up: without this one client owns the event loop.
                    await asyncio.sleep(0)
        finally:
            gone.cancel()


def out_of_range(size: int) -> ProblemResponse:
    """416 for a file of this size."""
    return ProblemResponse(
        416,
        "range-not-satisfiable",
        f"the range starts behind the end: the file has {size} bytes",
        headers={"content-range": f"bytes */{size}"},
    )


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

"""Sending a virtual file: fair between clients, flat in memory, and done when the client is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from learngenes.recipe import Entry
from learngenes.stream import Fresh, Span, VirtualFile, cut, parts, view
from learngenes_service.descendants.ranges import Answer, negotiate
from learngenes_service.descendants.zerocopy import EXTENSION
from learngenes_service.problems import ProblemResponse

MEDIA_TYPE = "application/vnd.safetensors"
ZERO_COPY_BYTES = 2 << 20
"""Largest piece sent without copying: as nginx has it; larger ones make other clients wait."""

COMPUTED_BYTES = 1 << 18
"""Largest piece of a computed tensor: it is copied, and waits in memory for as long as its reader likes."""

PATIENCE_SECONDS = 1.0
"""A reader that takes longer for one piece gets the tensor computed again: none is held for who does not read."""


class VirtualFileResponse(Response):
    """Bytes of a descendant, the whole file or one range, with its id as strong ETag unless another is given.

    answer: what was negotiated already.
    """

    def __init__(
        self,
        file: VirtualFile,
        *,
        computing: Executor,
        headers: Mapping[str, str],
        etag: str | None = None,
        answer: Answer | None = None,
    ) -> None:
        self.file = file
        self.etag = etag or file.id
        self.answer = answer
        self.computing = computing
        self.extra = headers
        self.status_code = 200
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        etag = f'"{self.etag}"'
        answer = self.answer
        if answer is None:
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
        gone = asyncio.create_task(_until_disconnect(receive))
        try:
            for segment, first, last in parts(self.file, start=start, stop=stop):
                if zero_copy and isinstance(segment, Span) and segment.file.file is not None:
                    stored = segment.file.file
                    for at in range(segment.start + first, segment.start + last, ZERO_COPY_BYTES):
                        if gone.done():
                            return
                        count = min(ZERO_COPY_BYTES, segment.start + last - at)
                        await send({"type": EXTENSION, "file": stored, "offset": at, "count": count, "more_body": True})
                        await asyncio.sleep(0)
                    continue
                if isinstance(segment, Fresh | Entry):
                    await self._send_computed(segment, first, last, gone, send)
                    continue
                for piece in cut(view(self.file, segment), first, last):
                    if gone.done():
                        return
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    # send() does not suspend while the client keeps up: without this one client owns the event loop.
                    await asyncio.sleep(0)
        finally:
            gone.cancel()

    async def _send_computed(
        self, segment: Fresh | Entry, first: int, last: int, gone: asyncio.Task[None], send: Send
    ) -> None:
        """Bytes [first, last) of a tensor, which is held while the client reads and no longer."""
        loop = asyncio.get_running_loop()
        held: list[memoryview] = []
        for at in range(first, last, COMPUTED_BYTES):
            if gone.done():
                return
            if not held:
                held.append(await loop.run_in_executor(self.computing, view, self.file, segment))
            # A copy: what waits in a buffer holds no tensor.
            piece = bytes(held[0][at : min(at + COMPUTED_BYTES, last)])
            letting_go = loop.call_later(PATIENCE_SECONDS, held.clear)
            try:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            finally:
                letting_go.cancel()
            await asyncio.sleep(0)


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

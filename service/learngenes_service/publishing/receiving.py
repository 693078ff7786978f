"""A body as it comes in: a piece at a time, written down and hashed beside the event loop."""

from __future__ import annotations

import asyncio

from fastapi import Request
from starlette.requests import ClientDisconnect

from learngenes_service.problems import CLOSING, ProblemResponse, Refusal
from learngenes_service.publishing.upload import PIECE_BYTES, Upload

SILENCE_SECONDS = 60.0
"""Who sends nothing for so long has gone."""

LEAST_BYTES_A_SECOND = 4096
"""Slower than this, in any minute, and the place is needed by others."""

MOST_SECONDS = 6 * 3600.0
"""However fast it comes, nothing takes longer."""


def length(request: Request, *, most: int) -> int:
    """How long the body says it is; Refusal if it does not, or is too long."""
    declared = request.headers.get("content-length", "")
    if not (declared.isascii() and declared.isdecimal() and len(declared) < 20):
        detail = "say the file's length in Content-Length; it is checked before it"
        raise Refusal(ProblemResponse(411, "length-required", detail, headers=CLOSING))
    if int(declared) > most:
        raise Refusal(ProblemResponse(413, "too-large", f"the file has {declared} bytes, the service takes {most}"))
    return int(declared)


async def receive(request: Request, upload: Upload, *, size: int) -> None:
    """Write the body down; ClientDisconnect if it ends early, Refusal if it comes too slowly."""
    loop, waiting = asyncio.get_running_loop(), bytearray()
    began = minute = loop.time()
    before = 0
    try:
        async with asyncio.timeout(SILENCE_SECONDS) as patience:
            async for piece in request.stream():
                waiting += piece
                if len(waiting) >= PIECE_BYTES:
                    await asyncio.to_thread(upload.write, waiting)
                    waiting = bytearray()
                now, came = loop.time(), upload.bytes + len(waiting)
                if now - began > MOST_SECONDS:
                    raise _slow(came, size, f"that took {MOST_SECONDS:g} seconds, the most there are")
                if now - minute > SILENCE_SECONDS:
                    if came - before < LEAST_BYTES_A_SECOND * (now - minute):
                        raise _slow(came, size, f"{came - before} of them in the last {now - minute:.0f} seconds")
                    minute, before = now, came
                patience.reschedule(now + SILENCE_SECONDS)
    except TimeoutError:
        came = upload.bytes + len(waiting)
        raise _slow(came, size, f"and then nothing for {SILENCE_SECONDS:g} seconds") from None
    await asyncio.to_thread(upload.write, waiting)
    if upload.bytes != size:
        raise ClientDisconnect


def _slow(came: int, size: int, how: str) -> Refusal:
    detail = f"{came} of {size} bytes came, {how}; send it again"
    return Refusal(ProblemResponse(408, "too-slow", detail, headers=CLOSING))

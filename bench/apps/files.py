"""Whole files by Starlette's own means: `python -m bench.apps.files <port> <folder>`."""

from __future__ import annotations

import mmap
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.responses import FileResponse, Response, StreamingResponse

CHUNK_BYTES = 1 << 20


def create_app(folder: Path) -> FastAPI:
    """/file/<name> by FileResponse; /stream/<name> by StreamingResponse from a map, in pieces as large as ours."""
    app = FastAPI()

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Alive."""
        return {"status": "ok"}

    @app.get("/file/{name}")
    async def file(name: str) -> Response:
        """As the documentation of FastAPI shows it."""
        return FileResponse(folder / name)

    @app.get("/stream/{name}")
    async def stream(name: str) -> Response:
        """An async generator of views, which copies nothing."""
        with (folder / name).open("rb") as opened:
            view = memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
        return StreamingResponse(_pieces(view), headers={"content-length": str(len(view))})

    return app


async def _pieces(view: memoryview) -> AsyncIterator[memoryview]:
    for at in range(0, len(view), CHUNK_BYTES):
        yield view[at : at + CHUNK_BYTES]


if __name__ == "__main__":
    uvicorn.run(create_app(Path(sys.argv[2])), port=int(sys.argv[1]), log_level="warning", access_log=False)

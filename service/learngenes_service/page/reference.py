"""`/docs`: the API to read and to try in Swagger UI, whose files come with the service: no page asks anybody else."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from learngenes_service.page.rendering import HEADERS, page

FILES = "/docs/files"
READ = ["GET", "HEAD"]
_POLICY = {
    # Swagger UI writes styles into its elements, and its icons as data.
    "content-security-policy": HEADERS["content-security-policy"]
    .replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
    .replace("img-src 'self'", "img-src 'self' data:")
}

router = APIRouter(include_in_schema=False)


@router.api_route("/docs", methods=READ)
async def get_reference() -> Response:
    """The same for everybody: what one may ask is in /openapi.json."""
    return await asyncio.to_thread(page, "reference.html", {"files": FILES}, headers=_POLICY)


def files() -> StaticFiles:
    """Swagger UI's script and style, out of the package that carries them."""
    return StaticFiles(packages=[("fastapi_offline", "static")])

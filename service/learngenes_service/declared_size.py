"""A body that says it is too large is refused before it is sent."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from learngenes_service.problems import ProblemResponse, closing, hub_headers


class DeclaredSize:
    """Around an app: a body that says it is too large is refused before it is sent, and by a problem.

    limits: of paths that begin so, instead of the limit of all others.
    """

    def __init__(self, app: ASGIApp, limit: int, *, limits: Mapping[str, int]) -> None:
        self.app = app
        self.limit = limit
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        declared = headers.get("content-length", "")
        limit = self.limit
        if declared:
            limit = next((most for path, most in self.limits.items() if scope["path"].startswith(path)), limit)
        if declared.isascii() and declared.isdecimal() and int(declared[:20]) > limit:
            detail = f"the body has {declared[:20]} bytes, the service takes {limit}"
            # The hub's clients show what this header says, not the body.
            refused = ProblemResponse(413, "too-large", detail, headers=hub_headers("TooLarge", detail))
            await closing(refused, headers)(scope, receive, send)
            return
        await self.app(scope, receive, send)

"""A route whose answers are for people: what another endpoint says as a problem it says as a page."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from learngenes.errors import LearngenesError
from learngenes_service.page.rendering import page
from learngenes_service.problems import Refusal

EXPECTED = (Refusal, LearngenesError, RequestValidationError, HTTPException)
"""What endpoints raise to say no; the app knows the problem of each."""

_KEPT = ("www-authenticate", "retry-after", "allow")


class PageRoute(APIRoute):
    """See APIRoute; errors have the problem's status, sentence and headers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See APIRoute."""
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await answer(request)
            except EXPECTED as error:
                return await asyncio.to_thread(_page_of, await problem_of(request, error))

        return handle


async def problem_of(request: Request, error: Exception) -> Response:
    """The problem that the app answers with for this error."""
    handlers = request.app.exception_handlers
    handler = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
    response: Response = await handler(request, error)
    return response


def _page_of(problem: Response) -> Response:
    table = json.loads(bytes(problem.body))
    headers = {name: problem.headers[name] for name in _KEPT if name in problem.headers}
    context = {"here": "", "problem": table, "keyed": False}
    return page("problem.html", context, problem.status_code, headers)

"""Bodies that have to be JSON."""

from __future__ import annotations

from fastapi import Request

from learngenes_service.problems import ProblemResponse, Refusal


def need_json(request: Request) -> None:
    """Refusal unless the body says that it is JSON: no page of another site can make a browser's form say so."""
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != "application/json":
        raise Refusal(
            ProblemResponse(
                415, "unsupported-media-type", f"this is sent with Content-Type: application/json, got {given[:80]!r}"
            )
        )

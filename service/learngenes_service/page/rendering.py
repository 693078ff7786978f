"""Templates to HTML. The template engine is imported when the first page is asked for: the service starts without."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse

from learngenes_service.page import writing
from learngenes_service.page.assets import assets

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Of every page: nothing from elsewhere, nowhere else, and kept by nobody, since not everybody sees the same."""


def page(
    template: str, context: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> HTMLResponse:
    """The page of a template; every value in it is escaped."""
    text = _environment().get_template(template).render(context)
    return HTMLResponse(text.encode("utf-8", "replace"), status, HEADERS | (headers or {}))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    environment.filters |= {
        "amount": writing.amount,
        "interval": writing.interval,
        "part": writing.part,
        "percent": writing.percent,
        "seconds": writing.seconds,
        "sentence": writing.sentence,
        "shape": writing.shape,
        "size": writing.size,
        "steps": writing.steps,
        "exact": "{:,}".format,
    }
    environment.globals["asset"] = lambda name: assets()[name].address
    return environment

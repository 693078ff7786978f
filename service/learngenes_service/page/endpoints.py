"""GET /, /jobs, /jobs/{id} and /upload, for people; and what they are made of, under /page/."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from learngenes.errors import InvalidValue, LearngenesError, NeedsLearning
from learngenes.gene import Manifest
from learngenes_service.access.callers import TheCaller, needs
from learngenes_service.descendants.document import WEIGHTS, url_of
from learngenes_service.initialize import needs_learning
from learngenes_service.page import budget, size, zoo
from learngenes_service.page.asked import Asked, asked
from learngenes_service.page.assets import asset_response
from learngenes_service.page.rendering import page
from learngenes_service.page.route import PageRoute, problem_of
from learngenes_service.page.working import made
from learngenes_service.state import Shelf, TheShelf

router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[Depends(needs("read"))])
static = APIRouter(include_in_schema=False)
"""For everybody: who is asked for a key gets a page that looks like one."""

READ = ["GET", "HEAD"]
PARTS = ("passing", "answer")
"""What the script asks for in `page-parts`: the view of a size that is slid over, or all but what stays as it is."""


@router.api_route("/", methods=READ)
async def get_zoo(request: Request, shelf: TheShelf, caller: TheCaller) -> Response:
    """The learngenes, and one descendant of one of them: all of it follows from the address."""
    wanted = asked(request.query_params)
    context: dict[str, Any] = {
        "here": "zoo",
        "asked": wanted,
        "keyed": caller.name is not None,
        "may_train": "train" in caller.scopes,
        "has_queue": request.app.state.jobs is not None,
        "base_url": str(request.base_url).rstrip("/"),
        "parts": _parts(request),
        **dict.fromkeys(("fault", "manifest", "found", "curve", "controls", "sha256")),
    }
    try:
        manifest = await shelf.manifest(wanted.learngene or None)
    except LearngenesError as error:
        problem = await problem_of(request, error)
        context["fault"] = zoo.fault(InvalidValue(str(error)), json.loads(bytes(problem.body)))
        return await made(partial(_page, context, shelf, wanted, problem.status_code))
    status = await _learngene(request, shelf, manifest, wanted, context)
    return await made(partial(_page, context, shelf, wanted, status))


async def _learngene(request: Request, shelf: Shelf, manifest: Manifest, wanted: Asked, context: dict[str, Any]) -> int:
    """Fill in what is there of the chosen learngene; the status of the answer."""
    base_url, keyed = context["base_url"], context["keyed"]
    found, status = None, 200
    try:
        passing = context["parts"] == "passing"
        show = partial(size.shown, shelf.catalog, manifest, wanted, base_url=base_url, keyed=keyed, passing=passing)
        found = await made(show)
    except InvalidValue as error:
        refusal: Exception = error
        if isinstance(error, NeedsLearning):
            refusal = await needs_learning.refuse(error, manifest, shelf)
        problem = await problem_of(request, refusal)
        context["fault"] = zoo.fault(error, json.loads(bytes(problem.body)))
        status = problem.status_code
    form = zoo.controls(manifest, zoo.lenient(wanted))
    context |= await made(partial(zoo.view, shelf.catalog, manifest, wanted, form, found))
    if found is not None:
        context["sha256"] = await made(partial(shelf.known_sha256, found.id))
    return status


def _page(context: dict[str, Any], shelf: Shelf, wanted: Asked, status: int) -> Response:
    manifest: Manifest | None = context["manifest"]
    whole, passing = not context["parts"], context["parts"] == "passing"
    context["listed"] = zoo.listed(shelf.catalog, manifest.name if manifest else wanted.learngene) if whole else []
    context["default"] = shelf.default
    context["budget"] = budget.Answer() if passing else budget.ranked(shelf.catalog, wanted)
    return page("zoo.html", context, status)


def _parts(request: Request) -> str:
    """Of PARTS, or empty: the whole page."""
    asked_for = request.headers.get("page-parts", "")
    return asked_for if asked_for in PARTS else ""


@router.api_route("/page/download", methods=READ)
async def get_download(request: Request, shelf: TheShelf) -> Response:
    """To the file of the size in the address: it is remembered, as POST /initialize does, so that it can be resumed."""
    wanted = asked(request.query_params)
    manifest = await shelf.manifest(wanted.learngene or None)
    try:
        descendant = await shelf.initialize(manifest, wanted.to_request())
    except NeedsLearning as error:
        raise await needs_learning.refuse(error, manifest, shelf) from None
    return RedirectResponse(url_of(descendant.file.id, WEIGHTS), 303, {"cache-control": "no-store"})


@static.api_route("/page/{name}", methods=READ)
async def get_asset(name: str, request: Request) -> Response:
    """Style, script and picture: kept for ever under the address that the pages name."""
    return await asyncio.to_thread(asset_response, request, name)

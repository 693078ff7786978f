"""A size that has to be fitted first: the job that does it, what can be had meanwhile, and `?learn=auto`."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import Request as HttpRequest
from starlette.responses import Response

from learngenes import spec
from learngenes.catalog import Catalog
from learngenes.errors import LearngenesError, NeedsLearning
from learngenes.gene import Manifest
from learngenes.initialize import Request
from learngenes.ready import planned
from learngenes.sizes import Size
from learngenes.spec import Spec
from learngenes_service.access.callers import Caller, needs
from learngenes_service.jobs.board import Asked, Board
from learngenes_service.jobs.endpoints import answer
from learngenes_service.jobs.job import Job
from learngenes_service.jobs.schemas import to_body
from learngenes_service.jobs.sight import jobs_of
from learngenes_service.json_body import need_json
from learngenes_service.problems import ProblemResponse, Refusal
from learngenes_service.state import Shelf

FOLLOW_SECONDS = "2"


async def refuse(error: NeedsLearning, manifest: Manifest, shelf: Shelf) -> Refusal:
    """409 with the job to post and the best that can be had at once."""
    wanted = await asyncio.to_thread(_fitting, manifest, error.size, shelf.catalog)
    return await asyncio.to_thread(_refusal, error, manifest, shelf.catalog, wanted, str(error))


async def learn(
    error: NeedsLearning, manifest: Manifest, shelf: Shelf, *, request: HttpRequest, caller: Caller
) -> Response:
    """202 with the job that fits the size, asked for if it was not; Refusal if it can't be, or has failed."""
    await needs("train")(caller)
    need_json(request)
    board = jobs_of(request).board
    wanted = await asyncio.to_thread(_fitting, manifest, error.size, shelf.catalog)
    if wanted is None:
        said = f"{error}; which images it was learned from is not known here, so POST /v1/jobs with yours"
        raise await asyncio.to_thread(_refusal, error, manifest, shelf.catalog, None, said)
    job = await asyncio.to_thread(board.records.get, spec.identify(wanted))
    if job is not None and job.end is not None:
        said = f"{error}; {_came_to_nothing(job)}"
        raise await asyncio.to_thread(_refusal, error, manifest, shelf.catalog, wanted, said)
    response = await answer(await asyncio.to_thread(_ask, board, wanted, caller), board, caller=caller)
    response.status_code = 202
    response.headers["retry-after"] = FOLLOW_SECONDS
    return response


def _ask(board: Board, wanted: Spec, caller: Caller) -> Asked:
    return board.ask(wanted, by=caller.name)


def _came_to_nothing(job: Job) -> str:
    """It is not begun again by itself: whoever polls would make a failure endless."""
    assert job.end is not None
    reason = f": {job.end.error['detail'].splitlines()[0]}" if job.end.error else ""
    came = "was cancelled" if job.end.status == "cancelled" else f"has {job.end.status}{reason}"
    return f"job {job.id} {came}; to try again POST /v1/jobs with `job`"


def _fitting(manifest: Manifest, size: Size, catalog: Catalog) -> Spec | None:
    """The job, if it is one that may be asked for here."""
    wanted = spec.fitting(manifest, depth=size.depth, width=size.width)
    if wanted is None:
        return None
    try:
        spec.confine(wanted)
        spec.check(wanted, catalog)
        return spec.pinned(wanted, catalog)
    except LearngenesError:
        return None


def _refusal(error: NeedsLearning, manifest: Manifest, catalog: Catalog, wanted: Spec | None, detail: str) -> Refusal:
    return Refusal(
        ProblemResponse(
            409,
            error.code,
            detail,
            size=asdict(error.size),
            ready=[asdict(size) for size in error.ready],
            job=None if wanted is None else to_body(wanted),
            alternative=_alternative(error, manifest, catalog),
        )
    )


def _alternative(error: NeedsLearning, manifest: Manifest, catalog: Catalog) -> dict[str, Any] | None:
    """Another learngene at exactly this size, the best measured one, else the nearest ready size of this one.

    `body` can be posted as it is; `accuracy` is of the untuned descendant, None if nobody measured it.
    """
    same = [found for name in catalog.names() if (found := _at_size(name, manifest, error.size, catalog))]
    if same:
        at = error.size
        best = max(same, key=lambda found: (found.labels == manifest.labels, _accuracy(found, at, catalog) or 0.0))
        return _offer(best, at, catalog, "another learngene, at exactly this size")
    if error.ready:
        return _offer(manifest, error.ready[0], catalog, "the nearest size of this learngene that is ready")
    return None


def _at_size(name: str, manifest: Manifest, size: Size, catalog: Catalog) -> Manifest | None:
    """The learngene of another name, if it can be had at this size at once."""
    try:
        found = catalog.get(name)
        if found.parent is None and found.name != manifest.name:
            planned(catalog, found, Request(depth=size.depth, width=size.width))
            return found
    except LearngenesError:
        return None
    return None


def _offer(manifest: Manifest, size: Size, catalog: Catalog, why: str) -> dict[str, Any]:
    return {
        "body": {"learngene": manifest.reference, "depth": size.depth, "width": size.width},
        "why": why,
        "accuracy": _accuracy(manifest, size, catalog),
    }


def _accuracy(manifest: Manifest, size: Size, catalog: Catalog) -> float | None:
    """Of what answers there, untuned."""
    measured = [
        entry.value
        for entry in (catalog.fitted(manifest, size) or manifest).quality
        if (entry.depth, entry.width, entry.metric, entry.epochs_after) == (size.depth, size.width, "top1", 0)
    ]
    return measured[-1] if measured else None

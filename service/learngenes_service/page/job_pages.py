"""The pages of the jobs: the queue, one job as it runs, and uploading; each sees what the API shows its caller."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any, get_args

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from learngenes.importing.checkpoint import TAKING
from learngenes.zoo import METHODS
from learngenes_service.access.callers import TheCaller, needs
from learngenes_service.jobs import endpoints as api
from learngenes_service.jobs.events import Events
from learngenes_service.jobs.job import OPEN, Job, Kind, Status
from learngenes_service.jobs.sight import Jobs, TheJobs, inside
from learngenes_service.page.rendering import page
from learngenes_service.page.route import PageRoute
from learngenes_service.page.told import MOST_EVENTS, told
from learngenes_service.page.working import made

router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[Depends(needs("read"))])

READ = ["GET", "HEAD"]
ROWS = 20
PAGE_EVENTS = 1000
DIGEST_BYTES = 512 << 20
"""Of a file whose sha256 the browser works out: it has to hold it in memory."""

LOG_BYTES = 8192
"""Of the log on the page; the API has more of it."""


@router.api_route("/jobs", methods=READ)
async def get_jobs(request: Request, caller: TheCaller, jobs: TheJobs) -> Response:
    """The jobs, those asked for last first."""
    status = _one_of(request.query_params.get("status"), get_args(Status) + OPEN)
    kind = _one_of(request.query_params.get("kind"), get_args(Kind))
    cursor = request.query_params.get("cursor")
    answer = await api.list_jobs(caller, jobs, status=status, kind=kind, limit=ROWS, cursor=cursor)
    table = json.loads(bytes(answer.body))
    context = _context(caller) | {"here": "jobs", "jobs": table["jobs"], "status": status, "kind": kind}
    context |= {
        "next": (table["next"] or "").replace("/v1/jobs", "/jobs"),
        "statuses": _statuses(),
        "first": not cursor,
    }
    return await made(partial(page, "jobs.html", context))


@router.api_route("/jobs/{id}", methods=READ)
async def get_job(id: str, request: Request, caller: TheCaller, jobs: TheJobs) -> Response:
    """One job: what is known of it now. The script goes on from here, and a reload starts from what has been said."""
    document = json.loads(bytes((await api.get_job(id, caller, jobs)).body))
    job = await asyncio.to_thread(jobs.board.records.get, id)
    events = [] if job is None else await _events(job, jobs, caller)
    log = ""
    if inside(caller) and job is not None:
        log = (await asyncio.to_thread(jobs.board.log_tail, job, most_bytes=LOG_BYTES)).decode("utf-8", "replace")
    context = _context(caller) | {
        "here": "jobs",
        "job": document,
        "spec": json.dumps(document["spec"], indent=2),
        "told": await made(partial(told, events)),
        "log": log,
        "inside": inside(caller),
        "base_url": str(request.base_url).rstrip("/"),
    }
    return await made(partial(page, "job.html", context))


@router.api_route("/upload", methods=READ, dependencies=[Depends(needs("train"))])
async def get_upload(request: Request, caller: TheCaller) -> Response:
    """Publish a checkpoint, or a learngene of another store, from the browser."""
    context = _context(caller) | {
        "here": "upload",
        "base_url": str(request.base_url).rstrip("/"),
        "most_bytes": request.app.state.publications.most_bytes,
        "digest_bytes": DIGEST_BYTES,
        "methods": TAKING,
        "titles": {name: METHODS[name].title for name in TAKING},
    }
    return await made(partial(page, "upload.html", context))


def _context(caller: TheCaller) -> dict[str, Any]:
    return {"keyed": caller.name is not None, "may_train": "train" in caller.scopes}


async def _events(job: Job, jobs: Jobs, caller: TheCaller) -> Events:
    """All that the job has said so far."""
    found: Events = []
    while len(found) < MOST_EVENTS:
        after = found[-1][0] if found else "0-0"
        part = await jobs.following.page(job, after=after, inside=inside(caller), limit=PAGE_EVENTS)
        found += part.events
        if len(part.events) < PAGE_EVENTS:
            break
    return found


def _statuses() -> tuple[str, ...]:
    return tuple(dict.fromkeys((*OPEN, *get_args(Status))))


def _one_of(given: str | None, known: tuple[Any, ...]) -> Any:
    """What the address asks for, if there is such a thing."""
    return given if given in known else None

"""/v1/jobs: ask for what takes a while, follow it, cancel it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse
from starlette.responses import JSONResponse, PlainTextResponse, Response

from learngenes import spec
from learngenes_service.access.callers import Caller, TheCaller, needs
from learngenes_service.jobs.board import Asked, Board
from learngenes_service.jobs.document import describe
from learngenes_service.jobs.events import EVENT_ID, LOG_BYTES
from learngenes_service.jobs.following import PAGE_EVENTS
from learngenes_service.jobs.job import Job, Kind, Status
from learngenes_service.jobs.keys import claim
from learngenes_service.jobs.schemas import JobBody, read_cursor, read_job, write_cursor
from learngenes_service.jobs.sight import (
    TheJobs,
    hidden,
    inside,
    need_inside,
    need_right,
    refuse_yanked,
    unshared,
)
from learngenes_service.json_body import need_json
from learngenes_service.problems import ProblemResponse, Refusal, documented
from learngenes_service.state import Shelf, TheShelf

PAGE_JOBS = 20
UNKEPT = {"cache-control": "no-store"}
"""A job changes, and not everybody sees the same of it."""

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], dependencies=[Depends(unshared)])

_OPENAPI = {"requestBody": {"required": True, "content": {"application/json": {"schema": JobBody.model_json_schema()}}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "the job is there already: open, or finished"},
    202: {"description": "the job was asked for; Location is where it is followed"},
}
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "server-sent events; with `Accept: application/json` a page of them",
        "content": {"text/event-stream": {}, "application/json": {}},
    }
}
_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

Train = Depends(needs("train"))


@router.post(
    "",
    responses=_ANSWERS | documented(403, 404, 409, 413, 415, 422, 503),
    openapi_extra=_OPENAPI,
    dependencies=[Train],
    response_class=JSONResponse,
)
async def post_job(
    request: Request,
    caller: TheCaller,
    shelf: TheShelf,
    jobs: TheJobs,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Response:
    """Ask for a job. Its id follows from what it is: the same job is there once, however often it is asked for.

    One that failed or was cancelled is begun again. With an Idempotency-Key even that happens once a day.
    A job that replaces what others get by name needs scope admin: a newer version, a size fitted anew, an alias.
    """
    need_json(request)
    raw = await request.body()
    asked = await asyncio.to_thread(_ask, raw, idempotency_key, caller, shelf, jobs.board)
    return await answer(asked, jobs.board, caller=caller)


@router.get("", responses=documented(422, 503))
async def list_jobs(
    caller: TheCaller,
    jobs: TheJobs,
    status: Annotated[Status | None, Query()] = None,
    kind: Annotated[Kind | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = PAGE_JOBS,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> JSONResponse:
    """Jobs, those asked for last first; `next` leads on, though a page has few rows or none, until it is null."""
    before = "" if cursor is None else read_cursor(cursor)

    def page() -> tuple[list[dict[str, Any]], str | None]:
        def wanted(job: Job) -> bool:
            return kind in (None, job.kind) and not hidden(job, caller, jobs.marks)

        found, after = jobs.board.page(wanted, status=status, before=before, limit=limit)
        return [describe(job, standing, inside=inside(caller)) for job, standing in found], after

    rows, after = await asyncio.to_thread(page)
    chosen = {"status": status, "kind": kind, "limit": limit}
    following = "&".join(f"{name}={value}" for name, value in chosen.items() if value is not None)
    place = f"/v1/jobs?{following}&cursor={write_cursor(after)}" if after is not None else None
    return JSONResponse({"jobs": rows, "next": place}, headers=UNKEPT)


@router.get("/{id}", responses=documented(404, 503))
async def get_job(id: str, caller: TheCaller, jobs: TheJobs) -> JSONResponse:
    """One job: its spec, how far it is, what came of it."""
    job = await _found(id, caller, jobs)
    return JSONResponse(await asyncio.to_thread(_document, job, jobs.board, caller), headers=UNKEPT)


@router.delete("/{id}", status_code=202, responses=documented(404, 409, 503), dependencies=[Train])
async def cancel_job(id: str, caller: TheCaller, jobs: TheJobs) -> JSONResponse:
    """Cancel a job: one that waits at once, one that runs within seconds, with all its processes."""
    job = await _found(id, caller, jobs)
    if job.end is not None:
        raise Refusal(
            ProblemResponse(409, "job-ended", f"job {id} has ended as {job.end.status}; there is nothing to cancel")
        )
    after = await asyncio.to_thread(jobs.board.cancel, job, by=caller.name)
    return JSONResponse(await asyncio.to_thread(_document, after, jobs.board, caller), 202, UNKEPT)


@router.get("/{id}/events", responses=_EVENTS | documented(404, 422, 503), response_class=Response)
async def get_events(
    request: Request,
    id: str,
    caller: TheCaller,
    jobs: TheJobs,
    after: Annotated[str | None, Query(pattern=f"^{EVENT_ID.pattern}$")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = PAGE_EVENTS,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """What the job says, as it says it: server-sent events, going on after Last-Event-ID, the last of them `end`.

    With `Accept: application/json` a page of at most `limit` events after the id `after`, to be asked for again until
    `ended`.
    """
    job = await _found(id, caller, jobs)
    if last_event_id is not None and not EVENT_ID.fullmatch(last_event_id):
        last_event_id = None
    begin = after or last_event_id or "0-0"
    if "application/json" in request.headers.get("accept", ""):
        page = await jobs.following.page(job, after=begin, limit=limit, inside=inside(caller))
        last = page.events[-1][0] if page.events else begin
        rows = [{"id": name, **event} for name, event in page.events]
        return JSONResponse(
            {"events": rows, "ended": page.ended, "next": f"/v1/jobs/{id}/events?after={last}&limit={limit}"},
            headers=UNKEPT | {"vary": "accept"},
        )
    stream: AsyncIterator[bytes] = jobs.following.stream(job, after=begin, inside=inside(caller))
    return EventSourceResponse(
        stream, headers={"cache-control": "no-cache", "x-accel-buffering": "no", "vary": "accept"}
    )


@router.get("/{id}/log", responses=_TEXT | documented(401, 404, 422, 503), response_class=PlainTextResponse)
async def get_log(
    id: str, caller: TheCaller, jobs: TheJobs, bytes: Annotated[int, Query(ge=1, le=LOG_BYTES)] = LOG_BYTES
) -> Response:
    """The end of what the job's process printed: for callers with a key, or who may ask for jobs."""
    job = await _found(id, caller, jobs)
    need_inside(caller)
    tail = await asyncio.to_thread(jobs.board.log_tail, job, most_bytes=bytes)
    return PlainTextResponse(tail.decode("utf-8", "replace"), headers=UNKEPT | {"x-content-type-options": "nosniff"})


def _ask(raw: bytes, key: str | None, caller: Caller, shelf: Shelf, board: Board) -> Asked:
    wanted = read_job(raw)
    spec.confine(wanted)
    spec.check(wanted, shelf.catalog)
    wanted = spec.pinned(wanted, shelf.catalog)
    refuse_yanked(wanted, shelf)
    need_right(wanted, caller, shelf)
    before = None if key is None else claim(board.records, key, raw, by=caller.name)
    if before is not None:
        job = board.records.get(spec.identify(wanted))
        if job is not None and job.ask.time >= before:
            return Asked(job, new=True)
    return board.ask(wanted, by=caller.name)


async def answer(asked: Asked, board: Board, *, caller: Caller) -> JSONResponse:
    """202 with the job if it was asked for by this, 200 if it was there."""
    standing = None if asked.waits else await asyncio.to_thread(board.standing, asked.job)
    headers = UNKEPT | {"location": f"/v1/jobs/{asked.job.id}"}
    return JSONResponse(describe(asked.job, standing, inside=inside(caller)), 202 if asked.new else 200, headers)


async def _found(id: str, caller: Caller, jobs: TheJobs) -> Job:
    """The job of this id; Refusal if there is none that this caller may see."""
    job = await asyncio.to_thread(jobs.board.records.get, id)
    if job is None or await asyncio.to_thread(hidden, job, caller, jobs.marks):
        raise Refusal(
            ProblemResponse(404, "job-not-found", f"no job {id[:80]!r} here; GET /v1/jobs lists those that are")
        )
    return job


def _document(job: Job, board: Board, caller: Caller) -> dict[str, Any]:
    return describe(job, board.standing(job), inside=inside(caller))

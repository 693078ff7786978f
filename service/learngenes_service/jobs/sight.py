"""What a request gets to see of the jobs, and which requests may ask for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from learngenes import spec
from learngenes.spec import Spec
from learngenes_service.access.callers import Caller, TheCaller, need
from learngenes_service.access.private import Marks
from learngenes_service.headers import answer_to
from learngenes_service.jobs.board import Board
from learngenes_service.jobs.following import Following
from learngenes_service.jobs.job import Job
from learngenes_service.jobs.link import Link
from learngenes_service.problems import ProblemResponse, Refusal
from learngenes_service.state import Shelf


@dataclass(frozen=True, slots=True)
class Jobs:
    """All that a service with a queue has for jobs."""

    board: Board
    following: Following
    marks: Marks
    link: Link


def jobs_of(request: Request) -> Jobs:
    """The app's; Refusal 503 if it has no queue."""
    jobs: Jobs | None = request.app.state.jobs
    if jobs is None:
        raise Refusal(
            ProblemResponse(
                503,
                "no-queue",
                "this service has no queue: set LEARNGENES_REDIS_URL, or start it with `learngenes serve`, which "
                "brings one",
            )
        )
    return jobs


TheJobs = Annotated[Jobs, Depends(jobs_of)]


def hidden(job: Job, caller: Caller, marks: Marks) -> bool:
    """Whether this caller must not know of the job, since it is about something private."""
    if caller.sees_private:
        return False
    names = {job.spec.get("name"), job.spec.get("learngene"), *(job.spec.get("learngenes") or ())}
    about = {name.partition("@")[0] for name in names if isinstance(name, str)}
    return job.spec.get("private") is True or any(marks.hides(name) for name in about)


def need_right(wanted: Spec, caller: Caller, shelf: Shelf) -> None:
    """Refusal unless the caller may replace what others get by name: train adds what is new, admin may do both."""
    if "admin" not in caller.scopes and (reference := shelf.replaced(wanted)):
        need(caller, "admin", what=f"a job that replaces {reference}")


def refuse_yanked(wanted: Spec, shelf: Shelf) -> None:
    """Yanked if the job is about a version that was taken back, unless the caller allows it."""
    table = spec.table(wanted)
    for reference in (table.get("learngene"), *(table.get("learngenes") or ())):
        if isinstance(reference, str):
            shelf.refuse_yanked(shelf.catalog.get(reference))


def inside(caller: Caller) -> bool:
    """Whether this caller may know who asked for a job, which worker runs it, and what it prints."""
    return caller.name is not None or "train" in caller.scopes


def need_inside(caller: Caller) -> None:
    """Refusal for callers who are not."""
    if not inside(caller):
        raise Refusal(
            ProblemResponse(
                401,
                "unauthorized",
                "what a job prints is for callers with a key, sent as `Authorization: Bearer lgz_...`",
                headers={"www-authenticate": 'Bearer realm="learngenes"'},
            )
        )


async def unshared(request: Request, caller: TheCaller) -> None:
    """What this caller sees of jobs is not for caches that others share."""
    if caller.sees_private:
        answer_to(request.scope).private = True

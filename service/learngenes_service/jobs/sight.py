"""What a request gets to see of the jobs, and which requests may ask for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from learngenes_service.access.callers import Caller
from learngenes_service.access.private import Marks
from learngenes_service.jobs.board import Board
from learngenes_service.jobs.following import Following
from learngenes_service.jobs.job import Job
from learngenes_service.problems import ProblemResponse, Refusal


@dataclass(frozen=True, slots=True)
class Jobs:
    """All that a service with a queue has for jobs."""

    board: Board
    following: Following
    marks: Marks


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
    return job.spec.get("private") is True or any(marks.has(name) for name in about)


def need_json(request: Request) -> None:
    """Refusal unless the body says that it is JSON: no page of another site can make a browser's form say so."""
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != "application/json":
        raise Refusal(
            ProblemResponse(
                415,
                "unsupported-media-type",
                f"a job is sent with Content-Type: application/json, got {given[:80]!r}",
            )
        )

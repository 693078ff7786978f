"""The document of a job."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from learngenes_service.jobs.job import End, Job, Status
from learngenes_service.jobs.standing import Standing


def describe(job: Job, standing: Standing | None, *, inside: bool) -> dict[str, Any]:
    """All that is said of a job. standing: of an open one; None where the queue can't be asked.

    inside: to whom it may be said who asked for it, where it runs, and what it printed.
    """
    here = f"/v1/jobs/{job.id}"
    attempts, end = job.attempts, job.end
    progress = end.progress if end is not None else standing.progress if standing else None
    worker = standing.worker if standing else attempts[-1].worker if attempts else None
    document = {
        "id": job.id,
        "kind": job.kind,
        "status": status(job, standing),
        "spec": job.spec,
        "asked": _time(job.ask.time),
        "asked_by": job.ask.by if inside else None,
        "started": _time(attempts[0].time) if attempts else None,
        "ended": _time(end.time) if end else None,
        "attempts": len(attempts),
        "worker": worker if inside else None,
        "position": standing.position if standing else None,
        "progress": progress,
        "published": [
            {"reference": reference, "url": f"/v1/learngenes/{reference}"}
            for reference in (end.published if end else ())
        ],
        "aliases": (end.aliases if end else None) or {},
        "report": end.report if end else None,
        "error": error(end, inside=inside),
        "links": {"self": here, "events": f"{here}/events", "log": f"{here}/log"},
    }
    said = hint(job, standing)
    return document | ({"hint": said} if said else {})


def error(end: End | None, *, inside: bool) -> dict[str, str] | None:
    """Why it failed; to others without the end of its log, which stands below the first line."""
    if end is None or end.error is None or inside:
        return None if end is None else end.error
    return {**end.error, "detail": end.error["detail"].partition("\n")[0]}


def status(job: Job, standing: Standing | None) -> Status:
    """In one word; without the queue as the records tell it."""
    if job.end is not None:
        return job.end.status
    if job.cancelled:
        return "stopping"
    if standing is not None:
        return "running" if standing.worker else "queued"
    return "running" if job.attempts and not job.attempts[-1].handed_back else "queued"


def hint(job: Job, standing: Standing | None) -> str | None:
    """What whoever waits should know."""
    if job.end is not None:
        return None
    if standing is None:
        return "the queue can't be asked just now; the job is recorded, and goes on when it can"
    if standing.listeners == 0 and not standing.worker:
        return "no worker is running: start one with `learngenes worker`, with the service's LEARNGENES_ variables"
    return None


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

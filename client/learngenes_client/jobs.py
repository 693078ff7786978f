"""What the service says of jobs. Fields it adds later are tolerated and found in `raw`."""

from __future__ import annotations

from dataclasses import dataclass, field

from learngenes_client.errors import BadAnswer
from learngenes_client.models import Json, objects, take

LONGEST_NEXT = 4000
ENDED = ("finished", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    status: "queued", "running", "stopping", "finished", "failed" or "cancelled"; position: in its queue.
    progress: phase, step, loss and the like while it runs; published: learngenes that came of it, `name@version`;
    error: why it failed; hint: what whoever waits should know. asked, started, ended: times as in ISO 8601.
    """

    id: str
    kind: str
    status: str
    spec: Json
    asked: str = ""
    started: str | None = None
    ended: str | None = None
    attempts: int = 0
    position: int | None = None
    progress: Json = field(default_factory=dict)
    published: tuple[str, ...] = ()
    error: str | None = None
    hint: str | None = None
    raw: Json = field(default_factory=dict, repr=False)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs. next: where more are, None at the end; a page may have none and still lead on."""

    jobs: tuple[Job, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a job said. name: "start", "step", "epoch", ..., of the last "end"; data: what it said."""

    id: str
    name: str
    data: Json


def job_from(raw: Json) -> Job:
    """The job, checked; BadAnswer names the first field that is missing or of another type."""
    error = take(raw, "error", dict) if raw.get("error") is not None else None
    return Job(
        id=take(raw, "id", str),
        kind=take(raw, "kind", str),
        status=take(raw, "status", str),
        spec=take(raw, "spec", dict, default={}),
        asked=take(raw, "asked", str, default=""),
        started=None if raw.get("started") is None else take(raw, "started", str),
        ended=None if raw.get("ended") is None else take(raw, "ended", str),
        attempts=take(raw, "attempts", int, default=0),
        position=None if raw.get("position") is None else take(raw, "position", int),
        progress=take(raw, "progress", dict) if raw.get("progress") is not None else {},
        published=tuple(take(entry, "reference", str) for entry in objects(raw, "published", default=[])),
        error=None
        if error is None
        else str(error.get("detail") or error.get("title") or error.get("code") or "failed"),
        hint=None if raw.get("hint") is None else take(raw, "hint", str),
        raw=raw,
    )


def page_from(raw: Json) -> JobPage:
    """The page, checked like a job."""
    following = None if raw.get("next") is None else take(raw, "next", str)
    if following is not None and len(following) > LONGEST_NEXT:
        raise BadAnswer(f"a page of jobs leads on to an address of {len(following)} characters")
    return JobPage(tuple(job_from(entry) for entry in objects(raw, "jobs")), following)

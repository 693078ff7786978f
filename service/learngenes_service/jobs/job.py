"""A job as its records tell it: what was asked, how often it was begun, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

Open = Literal["queued", "running", "stopping"]
Ending = Literal["finished", "failed", "cancelled"]
Status = Literal[Open, Ending]

OPEN: tuple[Status, ...] = get_args(Open)

Kind = Literal["learn", "fit-size", "evaluate", "tournament"]

QUEUES: dict[Kind, str] = {"fit-size": "short", "evaluate": "short", "learn": "long", "tournament": "long"}
"""The queue of each kind of job; workers empty the short one first."""

MOST_CRASHES = 5
"""A job whose process died so often without being asked to is not begun again."""

RESUMABLE_SECONDS = 7 * 86400
"""The run of a job that failed stays so long, where it ran and in the store: asked again, it goes on."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody wanted it. by: the name of their key; time: seconds since 1970. A job that failed can be asked again."""

    number: int
    time: float
    by: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A worker began. handed_back: it was told to stop and gave the job back; seconds: None if nobody saw its stop."""

    number: int
    time: float
    worker: str
    handed_back: bool = False
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class End:
    """How it ended. published: references; error: code and detail; progress: the last that was known."""

    status: Ending
    time: float
    published: tuple[str, ...] = ()
    aliases: dict[str, str] | None = None
    report: dict[str, Any] | None = None
    error: dict[str, str] | None = None
    progress: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job and what became of its newest ask. id: follows from the spec; spec: JSON values, every default written."""

    id: str
    kind: Kind
    spec: dict[str, Any]
    ask: Ask
    attempts: tuple[Attempt, ...] = ()
    cancelled: bool = False
    end: End | None = None

    @property
    def ticket(self) -> str:
        """Names this ask in the queue, in Redis and among what is kept."""
        return f"{self.id}-{self.ask.number}"

    @property
    def queue(self) -> str:
        """The queue it waits in."""
        return QUEUES[self.kind]

    @property
    def crashes(self) -> int:
        """Attempts that were not handed back: each has ended without an end, or is the one that runs."""
        return sum(not attempt.handed_back for attempt in self.attempts)

    def over(self, *, resumable_since: float) -> bool:
        """Whether nobody goes on with its run: it has ended, and did not fail since then."""
        return self.end is not None and (self.end.status != "failed" or self.end.time < resumable_since)

    @property
    def can_be_asked_again(self) -> bool:
        """Whether asking for it begins it anew, since it was not brought to its end."""
        return self.end is not None and self.end.status != "finished"

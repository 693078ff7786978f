"""A job as its records tell it: what was asked, how often it was begun, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["queued", "running", "stopping", "finished", "failed", "cancelled"]
Ending = Literal["finished", "failed", "cancelled"]

STATUSES: tuple[Status, ...] = ("queued", "running", "stopping", "finished", "failed", "cancelled")

QUEUES = {"fit-size": "short", "evaluate": "short", "learn": "long", "tournament": "long"}
"""The queue of each kind of job; workers empty the short one first."""

MOST_CRASHES = 5
"""A job whose process died so often without being asked to is not begun again."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody wanted it. by: the name of their key; time: seconds since 1970. A job that failed can be asked again."""

    number: int
    time: float
    by: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A worker began. handed_back: it was told to stop and gave the job back; seconds: how long it took, if known."""

    number: int
    time: float
    worker: str
    handed_back: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class End:
    """How it ended. published: references; error: code and detail; progress: the last that was known."""

    status: Ending
    time: float
    published: tuple[str, ...] = ()
    aliases: dict[str, int] | None = None
    report: dict[str, Any] | None = None
    error: dict[str, str] | None = None
    progress: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job and what became of its newest ask. id: follows from the spec; spec: JSON values, every default written."""

    id: str
    kind: str
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

    @property
    def can_be_asked_again(self) -> bool:
        """Whether asking for it begins it anew, since it was not brought to its end."""
        return self.end is not None and self.end.status != "finished"

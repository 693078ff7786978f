"""Names of what lies in Redis beside RQ's own keys. All of it can be lost: it is made anew from records and runs."""

from __future__ import annotations

RECONCILING = "learngenes:reconciling"
FILLED = "learngenes:filled"
"""Set by who filled the queue from the records; gone once Redis was emptied."""


def run(id: str) -> str:
    """Who runs the job just now: JSON of token, ticket, worker, at; renewed each second, gone soon after its worker."""
    return f"learngenes:run:{id}"


def stop(ticket: str) -> str:
    """Set when the job is to be cancelled; read by who runs it each second."""
    return f"learngenes:stop:{ticket}"


def events(ticket: str) -> str:
    """The stream of its events: field `event`, JSON; the entry with the field `end` is the last."""
    return f"learngenes:events:{ticket}"


def progress(ticket: str) -> str:
    """How far it is, JSON."""
    return f"learngenes:progress:{ticket}"


def log(ticket: str) -> str:
    """The end of what its process printed."""
    return f"learngenes:log:{ticket}"

"""Calls about jobs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from learngenes_client.calls.call import JSON_HEADERS, Answer, Call, read_object, refusal
from learngenes_client.errors import InvalidArgument
from learngenes_client.jobs import Job, JobPage, job_from, page_from

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
HEARTBEATS_SECONDS = 45.0
"""The service sends a sign of life every 15."""

KEY = re.compile(r"[!-~]{1,200}")
EVENT = re.compile(r"[!-~]{0,200}")


def submit(body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Call:
    """Ask for a job. Its id follows from what it asks, so asking twice is asking once."""
    if not (isinstance(body.get("kind"), str) and isinstance(body.get("spec"), Mapping)):
        raise InvalidArgument(f'a job is {{"kind": ..., "spec": {{...}}}}, got the fields {sorted(map(str, body))}')
    if idempotency_key is not None and not KEY.fullmatch(idempotency_key):
        raise InvalidArgument("an idempotency key is 1 to 200 visible ASCII characters without blanks")
    keyed = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    return Call("POST", "/v1/jobs", headers=JSON_HEADERS | keyed, json=dict(body))


def job(id: str) -> Call:
    """Ask how a job is doing."""
    return Call("GET", _url(id), headers=JSON_HEADERS)


def log(id: str) -> Call:
    """Ask for the end of what a job printed."""
    return Call("GET", f"{_url(id)}/log", headers={"Accept": "text/plain"})


def cancel(id: str) -> Call:
    """Ask that a job be cancelled."""
    return Call("DELETE", _url(id), headers=JSON_HEADERS, idempotent=False)


def events(id: str, *, after: str | None) -> Call:
    """Ask for what a job says after the event of this id, as it says it."""
    if after is not None and not EVENT.fullmatch(after):
        raise InvalidArgument(f"an event's id is 200 visible ASCII characters at most, got {after!r:.250}")
    last = {"Last-Event-ID": after} if after else {}
    headers = {"Accept": "text/event-stream"} | last
    return Call("GET", f"{_url(id)}/events", headers=headers, pause_seconds=HEARTBEATS_SECONDS)


def jobs(*, status: str | None = None, kind: str | None = None, limit: int) -> Call:
    """Ask for the first page of jobs, those asked for last first."""
    chosen = {"status": status, "kind": kind, "limit": str(limit)}
    query = {name: value for name, value in chosen.items() if value is not None}
    return Call("GET", "/v1/jobs", query, JSON_HEADERS)


def next_jobs(page: JobPage) -> Call | None:
    """Ask for the page after this one; None if it was the last."""
    if page.next is None:
        return None
    return Call("GET", "/v1/jobs", dict(parse_qsl(urlsplit(page.next).query)), JSON_HEADERS)


def read_job(answer: Answer) -> Job:
    """What `submit`, `job` and `cancel` ask for."""
    return job_from(read_object(answer, statuses=(200, 202)))


def read_jobs(answer: Answer) -> JobPage:
    """What `jobs` and `next_jobs` ask for."""
    return page_from(read_object(answer))


def read_log(answer: Answer) -> str:
    """What `log` asks for."""
    if answer.status != 200:
        raise refusal(answer)
    return answer.body.decode("utf-8", "replace")


def _url(id: str) -> str:
    if not ID.fullmatch(id):
        raise InvalidArgument(f"a job's id is letters, digits, '-' and '_', got {id!r:.200}")
    return f"/v1/jobs/{id}"

"""submit, jobs, job, watch, cancel."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping

from learngenes_client.client import Client
from learngenes_client.commands.common import (
    DONE,
    JOB_FAILED,
    Command,
    add_service,
    client,
    read_json,
    say,
    show,
)
from learngenes_client.flows.jobs import LAST
from learngenes_client.jobs import Job


def submit(options: argparse.Namespace) -> int:
    """Print the job that was asked for, or watch it to its end."""
    body = read_json(options.file, sys.stdin.read)
    if options.kind is not None:
        body = {"kind": options.kind, "spec": body}
    with client(options) as service:
        job = service.submit(body, idempotency_key=options.idempotency_key)
        if options.watch:
            _say(f"job {job.id}", options)
            return _watched(service, job.id, options, after=None)
    show(job.raw) if options.json else say(_line(job))
    return DONE


def jobs(options: argparse.Namespace) -> int:
    """Print jobs, those asked for last first."""
    with client(options) as service:
        found = service.jobs(status=options.status, kind=options.kind, limit=options.limit)
    if options.json:
        show({"jobs": [job.raw for job in found]})
        return DONE
    for job in found:
        say(_line(job))
    return DONE


def job(options: argparse.Namespace) -> int:
    """Print how a job is doing, or the end of its log."""
    with client(options) as service:
        if options.log:
            log = service.job_log(options.id)
            show({"id": options.id, "log": log}) if options.json else say(*log.splitlines())
            return DONE
        found = service.job(options.id)
    show(found.raw) if options.json else say(*_summary(found))
    return DONE


def watch(options: argparse.Namespace) -> int:
    """Print what a job says, until it ends."""
    with client(options) as service:
        return _watched(service, options.id, options, after=options.after)


def cancel(options: argparse.Namespace) -> int:
    """Print the job that was cancelled."""
    with client(options) as service:
        found = service.cancel(options.id)
    show(found.raw) if options.json else say(_line(found))
    return DONE


def _watched(service: Client, id: str, options: argparse.Namespace, *, after: str | None) -> int:
    """One line an event, JSON or not; the status says whether the job finished."""
    for event in service.watch(id, after=after):
        if options.json:
            say(json.dumps({"id": event.id, "event": event.name, "data": event.data}), now=True)
        else:
            say(f"{event.name:<12} {_facts(event.data)}", now=True)
        if event.name == LAST:
            return DONE if event.data.get("status") == "finished" else JOB_FAILED
    raise AssertionError("a job's events end with the end")


def _say(text: str, options: argparse.Namespace) -> None:
    if not options.json:
        say(text, now=True)


def _facts(data: Mapping[str, object]) -> str:
    hidden = {"event", "time"}
    return "  ".join(
        f"{name}={_short(value)}" for name, value in data.items() if name not in hidden and value is not None
    )


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def _line(job: Job) -> str:
    came = f"  {', '.join(job.published)}" if job.published else ""
    waits = f"  position {job.position}" if job.position is not None else ""
    why = f"  {job.error.splitlines()[0]}" if job.error else ""
    return f"{job.id}  {job.kind:<10}  {job.status:<9}  {job.asked}{waits}{came}{why}"


def _summary(job: Job) -> list[str]:
    rows = {
        "kind": job.kind,
        "status": job.status,
        "asked": job.asked,
        "started": job.started,
        "ended": job.ended,
        "attempts": job.attempts or None,
        "position": job.position,
        "progress": _facts(job.progress) or None,
        "published": ", ".join(job.published) or None,
        "error": job.error,
        "hint": job.hint,
    }
    return [job.id, *(f"{name:<10}  {value}" for name, value in rows.items() if value is not None)]


def _add_submit(parser: argparse.ArgumentParser) -> None:
    add_service(parser)
    parser.add_argument(
        "file", metavar="FILE|-", help='JSON: {"kind": ..., "spec": {...}}, or the spec alone with --kind'
    )
    parser.add_argument("--kind", help="learn, fit-size, evaluate or tournament")
    parser.add_argument("--idempotency-key", metavar="KEY", help="the same key and job begin nothing twice in a day")
    parser.add_argument("--watch", action="store_true", help="print what it says until it ends")


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    add_service(parser)
    parser.add_argument("--status", help="queued, running, stopping, finished, failed or cancelled")
    parser.add_argument("--kind", help="learn, fit-size, evaluate or tournament")
    parser.add_argument("--limit", type=int, default=20, help="so many at most; %(default)s")


def _add_job(parser: argparse.ArgumentParser) -> None:
    _add_id(parser)
    parser.add_argument("--log", action="store_true", help="print the end of what its process printed")


def _add_watch(parser: argparse.ArgumentParser) -> None:
    _add_id(parser)
    parser.add_argument("--after", metavar="EVENT", help="go on after the event of this id")


def _add_id(parser: argparse.ArgumentParser) -> None:
    add_service(parser)
    parser.add_argument("id", metavar="JOB", help="its id")


COMMANDS = {
    "submit": Command("ask for a job", _add_submit, submit),
    "jobs": Command("list jobs, those asked for last first", _add_jobs, jobs),
    "job": Command("say how a job is doing", _add_job, job),
    "watch": Command("follow a job until it ends", _add_watch, watch),
    "cancel": Command("cancel a job", _add_id, cancel),
}

"""`learngenes job`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from learngenes import guard, spec
from learngenes.arguments import STORE, add_data
from learngenes.catalog import Catalog
from learngenes.commands.running import STOPPED, running
from learngenes.errors import (
    BadCheckpoint,
    BlobExists,
    BlobNotFound,
    InvalidValue,
    LearngenesError,
    StoreUnavailable,
)
from learngenes.job import Stopped
from learngenes.perform.evaluate import CellsFailed, command
from learngenes.perform.job import perform
from learngenes.perform.workplace import Outcome, Workplace, alone, leads
from learngenes.store.opened import CACHE_BYTES, open_store

CRASHED, REFUSED = 1, 2
"""Exit statuses: the same again may go otherwise; it would not."""

TRANSIENT = (BadCheckpoint, BlobExists, BlobNotFound, StoreUnavailable)
"""Errors of ours that lie in the state of a directory or a store, not in the job."""


def arguments(command: argparse.ArgumentParser) -> None:
    """The job, where it runs and where its learngenes are."""
    command.add_argument("spec", type=Path, metavar="SPEC", help='a JSON file: {"kind": ..., "spec": {...}}')
    command.add_argument("--run", type=Path, required=True, metavar="DIR", help="checkpoints, events and outcome.json")
    command.add_argument("--store", required=True, metavar="STORE", help=f"where learngenes are and go: {STORE}")
    add_data(command)
    command.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="keep what is fetched from an object store here; several may share it",
    )
    command.add_argument(
        "--cache-bytes",
        type=int,
        default=CACHE_BYTES,
        metavar="N",
        help="disk that --cache may take (default: %(default)s)",
    )


def run(chosen: argparse.Namespace) -> int:
    """Do a job of a JSON file as a worker does it, or go on with it; DIR/outcome.json says what came of it.

    Exit status 0 is done, 130 stopped and can be continued, 2 refused; anything else is a crash. In outcome.json stand
    published, aliases and report; or error, or stopped.
    """
    if guard.is_watched() or not alone():  # started by hand, it outlives the terminal as any command does
        guard.die_with_parent()
    try:
        return _run(chosen)
    except (*TRANSIENT, OSError, CellsFailed) as error:
        print(f"learngenes: {error}", file=sys.stderr)
        return CRASHED


def _run(chosen: argparse.Namespace) -> int:
    """The exit status, once outcome.json is written."""
    outcome = chosen.run / "outcome.json"
    chosen.run.mkdir(parents=True, exist_ok=True)
    if leads():
        outcome.unlink(missing_ok=True)
    try:
        document, status = _perform(chosen)
    except TRANSIENT:
        raise
    except LearngenesError as error:
        print(f"learngenes: {error}", file=sys.stderr)
        document, status = {"error": {"code": error.code, "detail": str(error)}}, REFUSED
    if leads():
        part = outcome.with_suffix(".part")
        part.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        part.replace(outcome)
    return status


def _perform(chosen: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """What outcome.json is to say, and the exit status."""
    wanted = _read(chosen.spec)
    id = spec.identify(wanted)
    catalog = Catalog(open_store(chosen.store, cache=chosen.cache, cache_bytes=chosen.cache_bytes))
    again = f"learngenes job {id}.json --run RUN --store STORE --data DATA"
    with running(chosen.run) as (report, stop):
        report({"event": "job", "job": id, "kind": spec.kind_of(wanted)})
        at = Workplace(
            run=chosen.run,
            data=chosen.data,
            store=chosen.store,
            catalog=catalog,
            command=command(wanted.job) if isinstance(wanted, spec.Evaluate) else again,
            report=report,
            stop=stop,
            job=id,
        )
        spec.check(wanted, catalog)
        made = perform(wanted, at)
        report({"event": "end", "outcome": "stopped" if isinstance(made, Stopped) else "done"})
    if isinstance(made, Stopped):
        return {"stopped": asdict(made)}, STOPPED
    return asdict(made or Outcome()), 0


def _read(path: Path) -> spec.Spec:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidValue(f"can't read the job {path}: {error.strerror}") from error
    return spec.from_json(raw)

"""What a running job says, carried from its run directory into Redis, where the service finds it.

Redis may be away or lose everything at any time: nothing here waits for it, and what is missing there is added again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from redis import Redis, RedisError
from redis.exceptions import ResponseError

from learngenes_service.jobs import places
from learngenes_service.jobs.events import LOG_BYTES, STREAM_EVENTS, Numbering, Progress, numbered, order
from learngenes_service.jobs.job import Job

HOLD_SECONDS = 30
"""A job counts as run by somebody for so long after the last sign; less than any lease of the queue."""

KEPT_SECONDS = 30 * 86400
UNSHOWN = ("job", "end")
"""Events of the process itself; a job may be begun and stopped several times."""


class Pump:
    """Of one attempt. client: one that never tries twice.

    checkpoints: of all attempts; heard: when an attempt, by its number, said something last.
    """

    def __init__(self, job: Job, run: Path, client: Redis, *, worker: str) -> None:
        self._job, self._run, self._redis = job, run, client
        self._token = uuid4().hex
        self._worker = worker
        self._at = ""
        self._numbering = Numbering()
        self._position = 0
        self._events: list[tuple[str, dict[str, Any]]] = []
        self._logged = -1
        self._attempt = 0
        self.progress = Progress()
        self.checkpoints = 0
        self.heard: dict[int, float] = {}

    def hold(self, *, at: str = "") -> bool:
        """Say that this job is run here; False if somebody else says so. True where Redis can't tell.

        at: of who has locked the run directory: somebody who said so from there is dead.
        """
        place = places.run(self._job.id)
        self._at = at or self._at
        mine = {"token": self._token, "ticket": self._job.ticket, "worker": self._worker, "at": self._at}
        try:
            if self._redis.set(place, json.dumps(mine), nx=True, ex=HOLD_SECONDS):
                return True
            holder = self._holder()
            if holder["token"] != self._token and (not at or holder["at"] != at):
                return False
            self._redis.set(place, json.dumps(mine), ex=HOLD_SECONDS)
        except RedisError:
            return True
        return True

    def release(self) -> None:
        """Nobody runs it any more."""
        try:
            if self._holder()["token"] == self._token:
                self._redis.delete(places.run(self._job.id))
        except RedisError:
            return

    def _holder(self) -> dict[str, Any]:
        raw = cast("bytes | None", self._redis.get(places.run(self._job.id)))
        nobody: dict[str, Any] = {"token": self._token, "at": ""}
        return nobody if raw is None else json.loads(raw)

    def cancelled(self) -> bool:
        """Whether somebody asked for its end."""
        try:
            return bool(self._redis.exists(places.stop(self._job.ticket)))
        except RedisError:
            return False

    def say(self, event: dict[str, Any]) -> None:
        """Add an event of the worker's to those of the run."""
        path = self._run / "events.jsonl"
        with path.open("ab+") as file:
            # A killed process may have left half a line.
            if file.tell() and not _ends_with_newline(path):
                file.write(b"\n")
            file.write(json.dumps(event).encode() + b"\n")

    def carry(self) -> None:
        """Everything that is new, and what Redis has lost."""
        self._read()
        try:
            self._fill()
            self._show_log()
        except RedisError:
            return

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """All events of the run, with their ids."""
        self._read()
        return self._events

    def log_tail(self) -> bytes:
        """The end of what the process printed."""
        path = self._run / "log.txt"
        if not path.exists():
            return b""
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_BYTES))
            return file.read()

    def _read(self) -> None:
        """Whole lines that were added to the file of events."""
        path = self._run / "events.jsonl"
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._position)
            raw = file.read()
        whole = raw[: raw.rfind(b"\n") + 1]
        self._position += len(whole)
        for id, event in numbered(whole.splitlines(), self._numbering):
            self._count(event)
            if event.get("event") not in UNSHOWN:
                self.progress.add(event)
                self._events.append((id, event))
        del self._events[:-STREAM_EVENTS]

    def _count(self, event: dict[str, Any]) -> None:
        self.checkpoints += event.get("event") == "checkpoint"
        if event.get("event") == "attempt":
            self._attempt = event["attempt"]
        if isinstance(time := event.get("time"), int | float):
            self.heard[self._attempt] = time

    def _fill(self) -> None:
        stream = places.events(self._job.ticket)
        newest = cast("list[tuple[bytes, Any]]", self._redis.xrevrange(stream, count=1))
        last = newest[0][0].decode() if newest else "0-0"
        new = list(takewhile(lambda entry: order(entry[0]) > order(last), reversed(self._events)))
        self._add(stream, reversed(new))
        if self.progress.state:
            self._redis.set(places.progress(self._job.ticket), json.dumps(self.progress.state), ex=KEPT_SECONDS)

    def _add(self, stream: str, entries: Iterable[tuple[str, dict[str, Any]]]) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            for id, event in entries:
                pipe.xadd(stream, {"event": json.dumps(event)}, id=id, maxlen=STREAM_EVENTS, approximate=True)
            pipe.expire(stream, KEPT_SECONDS)
            try:
                pipe.execute()
            except ResponseError:  # somebody was ahead of us: the next time shows what is missing
                return

    def _show_log(self) -> None:
        path = self._run / "log.txt"
        size = path.stat().st_size if path.exists() else 0
        place = places.log(self._job.ticket)
        if size and (size != self._logged or not self._redis.exists(place)):
            self._redis.set(place, self.log_tail(), ex=KEPT_SECONDS)
            self._logged = size


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read() == b"\n"

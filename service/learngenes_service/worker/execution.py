"""One attempt at a job: its run directory, its process, and how it comes to an end or is handed back."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from learngenes.store import Store, is_directory
from learngenes_service.jobs.events import to_keep
from learngenes_service.jobs.job import MOST_CRASHES, Attempt, End, Job
from learngenes_service.jobs.records import Records
from learngenes_service.settings import Settings
from learngenes_service.worker import runs
from learngenes_service.worker.backup import Backup
from learngenes_service.worker.limits import Limits
from learngenes_service.worker.pump import Pump
from learngenes_service.worker.trainer import Trainer

TICK_SECONDS = 0.5
RECORD_SECONDS = 15.0
"""So often the store is asked whether the job was cancelled, in case Redis lost that."""

STOP_SECONDS = 100.0
"""A process that is told to stop gets so long for its checkpoint."""

HAND_BACK_SECONDS = 110.0
"""A worker that is told to stop has handed its job back after this, kept in the store or not: containers get 120."""

CANCEL_SECONDS = 3.0

REFUSED = 2
"""Exit status of what would be the same again."""

Why = Literal["stopped", "cancelled", "limit", "lost"]
log = logging.getLogger("learngenes.worker")


class Execution:
    """From here to its end nobody else runs this job.

    told: whether this worker is to stop. lock: file descriptor of the locked run directory.
    """

    def __init__(
        self,
        job: Job,
        *,
        settings: Settings,
        store: Store,
        pump: Pump,
        worker: str,
        told: Callable[[], bool],
        lock: int,
    ) -> None:
        self._job, self._settings, self._pump, self._told, self._lock = job, settings, pump, told, lock
        self._records = Records(store)
        self._run = settings.runs / job.id
        self._worker = worker
        self._backup = None if is_directory(settings.store) else Backup(store, job.id, self._run)
        self._why: Why | None = None
        self._limit = ""
        self._told_at: float | None = None
        self._checkpoints = 0

    def perform(self) -> bool:
        """Bring the job to its end; False if it is handed back, to be begun again."""
        if self._ended_before():
            return True
        if self._backup is not None:
            self._backup.restore()
        attempt = self._records.start(self._job, worker=self._worker)
        begun = time.monotonic()
        self._pump.say({"time": _now(), "event": "attempt", "attempt": attempt.number, "worker": self._worker})
        self._pump.carry()
        status = self._train()
        return self._conclude(attempt, status, seconds=time.monotonic() - begun)

    def _ended_before(self) -> bool:
        """Whether there is nothing to begin: it was cancelled, or crashed once too often."""
        if self._job.cancelled:
            self._end(End("cancelled", _now()))
            return True
        if self._job.crashes > MOST_CRASHES:
            self._end(self._crashed("its worker vanished"), resumable=True)
            return True
        return False

    def _train(self) -> int | None:
        """The exit status of the process, None if it was killed by us."""
        (self._run / "outcome.json").unlink(missing_ok=True)
        _write(self._run / "spec.json", {"kind": self._job.kind, "spec": self._job.spec})
        limits = Limits(self._settings, self._run, spent_seconds=sum(map(self._seconds, self._job.attempts)))
        if sentence := limits.broken():
            self._why, self._limit = "limit", sentence
            return None
        trainer = Trainer(self._job, self._run, self._settings, lock=self._lock)
        try:
            return self._watch(trainer, limits)
        finally:
            trainer.kill()

    def _watch(self, trainer: Trainer, limits: Limits) -> int | None:
        deadline, looked = float("inf"), time.monotonic()
        while (status := trainer.wait(TICK_SECONDS)) is None:
            self._carry()
            now = time.monotonic()
            if self._why != "cancelled":
                recorded = now - looked >= RECORD_SECONDS
                looked = now if recorded else looked
                if self._pump.cancelled() or (recorded and self._cancel_recorded()):
                    self._why, deadline = "cancelled", now + CANCEL_SECONDS
                    trainer.stop()
            if self._why is None and (why := self._reason(limits)):
                self._why, deadline = why, now + (0 if why == "lost" else STOP_SECONDS)
                trainer.stop()
            if now >= deadline:
                return None
        return status

    def _reason(self, limits: Limits) -> Why | None:
        """Why the process has to stop now, if it has to."""
        if not self._pump.hold():
            return "lost"
        if self._stopping() is not None:
            return "stopped"
        self._limit = limits.broken() or ""
        return "limit" if self._limit else None

    def _carry(self) -> None:
        """What the job says, on its way; after a checkpoint the run is kept."""
        self._pump.carry()
        checkpoints = self._pump.checkpoints
        if self._backup is not None and checkpoints > self._checkpoints and self._backup.after_checkpoint():
            self._checkpoints = checkpoints

    def _conclude(self, attempt: Attempt, status: int | None, *, seconds: float) -> bool:
        """What the process left decides, then why it was stopped, then its exit status."""
        outcome = _read(self._run / "outcome.json")
        if "published" in outcome:
            aliases = outcome.get("aliases") or {}
            published = tuple(outcome["published"])
            self._end(End("finished", _now(), published, aliases=aliases, report=outcome.get("report")))
            return True
        if self._why == "cancelled":
            self._end(End("cancelled", _now()))
            return True
        if "error" in outcome:
            self._end(End("failed", _now(), error=outcome["error"]))
            return True
        if self._why is None and status == REFUSED:
            self._end(End("failed", _now(), error={"code": "refused", "detail": self._said("the job was refused")}))
            return True
        if self._why == "limit":
            self._keep()
            self._end(End("failed", _now(), error={"code": "limit", "detail": self._limit}), resumable=True)
            return True
        handed_back = self._why is not None or "stopped" in outcome
        self._records.stop(self._job, attempt, handed_back=handed_back, seconds=seconds)
        if not handed_back and self._job.crashes + 1 > MOST_CRASHES:
            self._keep()
            self._end(self._crashed(f"its process ended with exit status {status}"), resumable=True)
            return True
        event = {"time": _now(), "event": "handed-back" if handed_back else "crashed", "attempt": attempt.number}
        self._pump.say(event if handed_back else {**event, "exit": status})
        self._keep()
        return False

    def _keep(self) -> None:
        """The run as it was left, where another machine may go on with it."""
        self._pump.carry()
        if self._backup is None or self._why == "lost":
            return
        self._wait_for(self._backup)
        self._backup.begin()
        self._wait_for(self._backup)
        if self._backup.busy():  # its thread ends with this process
            log.warning("the run of job %s is not kept in the store this time: there is no time left", self._job.id)

    def _wait_for(self, backup: Backup) -> None:
        """Until it is done, or until this worker has to end."""
        while backup.busy():
            told = self._stopping()
            if told is not None and time.monotonic() - told >= HAND_BACK_SECONDS:
                return
            self._pump.hold()
            time.sleep(TICK_SECONDS)

    def _stopping(self) -> float | None:
        """Since when this worker is to stop."""
        if self._told_at is None and self._told():
            self._told_at = time.monotonic()
        return self._told_at

    def _seconds(self, attempt: Attempt) -> float:
        """How long an attempt took: one that was killed until it said something last."""
        if attempt.seconds is not None:
            return attempt.seconds
        return max(0.0, self._pump.heard.get(attempt.number, 0.0) - attempt.time)

    def _crashed(self, how: str) -> End:
        detail = self._said(f"the job was begun {MOST_CRASHES + 1} times and {how} each time")
        return End("failed", _now(), error={"code": "crashed", "detail": detail})

    def _said(self, what: str) -> str:
        tail = self._pump.log_tail()[-2000:].decode("utf-8", "replace").strip()
        return f"{what}\nThe end of its log:\n{tail}"

    def _end(self, end: End, *, resumable: bool = False) -> None:
        """The end is recorded with what was said, then the run goes; one that may be asked again stays for a week."""
        self._pump.carry()
        progress = self._pump.progress.state or None
        ended = End(end.status, end.time, end.published, end.aliases, end.report, end.error, progress)
        self._records.end(self._job, ended, events=to_keep(self._pump.events()), log=self._pump.log_tail())
        if not resumable:
            runs.remove(self._run)
            if self._backup is not None:
                self._backup.drop()
        log.info("job %s %s", self._job.id, end.status)

    def _cancel_recorded(self) -> bool:
        job = self._records.get(self._job.id)
        return job is not None and job.ticket == self._job.ticket and job.cancelled


def _now() -> float:
    return round(time.time(), 3)


def _read(path: Path) -> dict[str, Any]:
    """What the process left; empty if it left nothing."""
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, sort_keys=True), "utf-8")
    part.replace(path)

"""The job that is broken: begun, seen through, and compared with one that nothing happened to."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.faults.cluster import Cluster, cluster, wait

JOB: dict[str, Any] = {
    "kind": "learn",
    "spec": {
        "name": "digits",
        "method": "sws",
        "geometry": {"depth": 4, "width": 64, "heads": 2, "patch": 2, "image": 8, "classes": 10, "channels": 1},
        "data": {
            "train": "digits:train", "test": "digits:test", "mean": [0.306], "std": [0.378], "augment": "light",
            "padding": 1, "flip": 0.0,
        },
        "options": {"stages": [1, 2, 1], "alpha": 0.0},
        "training": {
            "epochs": 60, "batch": 64, "learning_rate": 2e-3, "fused_attention": False, "checkpoint_minutes": 0.02,
            "report_seconds": 0.2,
        },
        "measure": [4],
        "alias": "best",
    },
}  # fmt: skip
"""Some 20 seconds of training on one core, with a checkpoint at least every second or so."""

PATIENCE_SECONDS = 240.0
"""Longer than anything here may take."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fault did. lost: sentences on what is gone or wrong, none is the goal.

    recovery_seconds: from the fault until the job was further than before it, or until what was asked for was so.
    repeated_steps: steps that were trained twice, of `steps`.
    """

    lost: tuple[str, ...]
    recovery_seconds: float
    repeated_steps: int = 0
    steps: int = 0
    note: str = ""


@dataclass(slots=True)
class Run:
    """A job under way in a cluster, broken at some step."""

    at: Cluster
    job: str
    workers: list[Any] = field(default_factory=list)
    broken_step: int = 0
    broken_time: float = 0.0

    def breaks(self) -> None:
        """Now."""
        self.broken_step, self.broken_time = self.at.step(self.job), time.time()

    def recovered(self, *, anew: bool = False) -> float:
        """Seconds from the fault to the first sign of training beyond where it was; anew: by another process."""

        def beyond() -> float | None:
            begun = not anew
            for event in self.at.events(self.job):
                if event["time"] > self.broken_time:
                    begun |= event["event"] == "start"
                    if begun and event["event"] in ("step", "epoch") and event["step"] > self.broken_step:
                        return float(event["time"])
            return None

        wait("recovery", lambda: beyond() is not None, seconds=PATIENCE_SECONDS)
        found = beyond()
        assert found is not None
        return round(found - self.broken_time, 1)

    def finished(self, *, reference: str, recovery: float, note: str = "") -> Outcome:
        """Wait for the end and compare what was published with what an undisturbed run publishes."""
        wait("the end", lambda: self.at.status(self.job) in ("finished", "failed"), seconds=PATIENCE_SECONDS)
        document = self.at.ask("GET", f"/v1/jobs/{self.job}")
        lost = []
        if document["status"] != "finished":
            lost.append(f"the job is {document['status']}: {document.get('error')}")
        elif weights(self.at) != reference:
            lost.append("the published weights differ from those of an undisturbed run")
        if versions(self.at) not in ([], [1]):
            lost.append(f"published {len(versions(self.at))} times")
        starts = [event["step"] for event in self.at.events(self.job) if event["event"] == "start"]
        done, repeated = 0, 0
        for event in self.at.events(self.job):
            if event["event"] == "start":
                repeated += max(0, done - event["step"])
            done = max(done, event.get("step", 0))
        return Outcome(tuple(lost), recovery, repeated, done, note or f"{len(starts)} start{'s' * (len(starts) > 1)}")


def versions(at: Cluster) -> list[int]:
    """Versions of what the job publishes."""
    return sorted(int(path.stem) for path in (at.data / "store/learngenes/digits").glob("*.json"))


def weights(at: Cluster) -> str:
    """sha256 of the published weights."""
    found: str = at.ask("GET", "/v1/learngenes/digits")["weights"]["sha256"]
    return found


def begun(at: Cluster, *, workers: int = 1) -> Run:
    """The job posted and well under way."""
    run = Run(at, at.ask("POST", "/v1/jobs", JOB)["id"], [at.worker() for _ in range(workers)])

    def under_way() -> bool:
        assert all(worker.poll() is None for worker in run.workers), "a worker ended by itself: see worker.log"
        return at.step(run.job) > 200

    wait("training", under_way, seconds=PATIENCE_SECONDS)
    return run


def undisturbed(root: Path, *, ranks: int = 1) -> tuple[str, float]:
    """sha256 of the weights of a job that nothing happens to, and the seconds it takes."""
    with cluster(root, ranks=ranks) as at:
        run = begun(at)
        wait("the end", lambda: at.status(run.job) == "finished", seconds=PATIENCE_SECONDS)
        times = [event["time"] for event in at.events(run.job) if event["event"] in ("start", "step", "epoch")]
        return weights(at), times[-1] - times[0]

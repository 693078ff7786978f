"""Records of jobs that nobody works on: asked for, ended and listed with a clock of their own."""

from __future__ import annotations

from itertools import count
from typing import Any

from cases import jobs
from learngenes_service.jobs import history
from learngenes_service.jobs.job import End, Job
from learngenes_service.jobs.records import Records

from learngenes import spec
from learngenes.spec import Spec
from learngenes.store import Store
from learngenes.store.memory import MemoryStore


def wanted(name: str = "toy") -> Spec:
    return spec.read("learn", jobs.learn(name=name)["spec"])


def records(store: Store | None = None) -> Records:
    """A clock that never stands still, and never goes on by itself."""
    return Records(MemoryStore() if store is None else store, clock=count(1_700_000_000).__next__)


def ended(status: Any = "finished") -> End:
    return End(status, 5.0, ("toy@1",), {"toy@best": "toy@1"}, progress={"step": 3})


def asked(store: Store | None = None) -> tuple[Records, Job]:
    kept = records(store)
    return kept, kept.ask(wanted(), by="ann")[0]


def listed(kept: Records, *, before: str = "") -> list[Job]:
    """Jobs by their newest ask, the newest first."""
    found = (history.newest(kept, entry) for entry in history.entries(kept, before=before))
    return [job for job in found if job is not None]

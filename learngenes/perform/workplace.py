"""Where a job is done, and what comes of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue
from learngenes.gene import Manifest
from learngenes.job import Report


@dataclass(frozen=True, slots=True)
class Workplace:
    """run: an existing directory for checkpoints and results; data: where relative paths of images start.

    store, catalog: where learngenes are found and published, what others have to open to find the same; store None is
    that of the learngenes that ship, catalog None publishes nothing. command: for the record. job: the id of the job,
    under which it publishes once; None publishes each time. workers: processes of an evaluation, None for one per GPU
    or core.
    """

    run: Path
    data: Path
    store: str | None
    catalog: Catalog | None
    command: str
    report: Report
    stop: Callable[[], bool]
    job: str | None = None
    workers: int | None = None

    def need_catalog(self) -> Catalog:
        """The catalog, or InvalidValue."""
        if self.catalog is None:
            raise InvalidValue("this job needs a store; add --store")
        return self.catalog

    def record(self, record: dict[str, Any]) -> dict[str, Any]:
        """What the manifest says of the training, with the command and the job."""
        return {**record, "command": self.command} | ({} if self.job is None else {"job": self.job})


@dataclass(frozen=True, slots=True)
class Outcome:
    """published: `name@version` each; aliases: those asked for, and where they point; report: of a tournament."""

    published: tuple[str, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict)
    report: dict[str, Any] | None = None


def leads() -> bool:
    """Whether this process reports and publishes: alone, or the first of several ranks."""
    return os.environ.get("RANK", "0") == "0"


def alone() -> bool:
    """Whether there is no other rank."""
    return os.environ.get("WORLD_SIZE", "1") == "1"


def announce(manifest: Manifest, at: Workplace, *, alias: str | None = None) -> Outcome:
    """Say that a learngene is published, with its alias moved if that is asked; the outcome of that.

    A job that is done again finds its first version. The alias stays where it points to a newer one of the same job:
    measurements made that.
    """
    aliases = {}
    if alias is not None:
        catalog = at.need_catalog()
        points_to = catalog.aliases(manifest.name).get(alias, 0)
        if not (points_to > manifest.version and _same_job(catalog.get(f"{manifest.name}@{points_to}"), manifest)):
            catalog.move_alias(manifest.name, alias, manifest.version)
            points_to = manifest.version
        aliases[f"{manifest.name}@{alias}"] = f"{manifest.name}@{points_to}"
    at.report({"event": "published", "learngene": manifest.reference, "aliases": aliases})
    return Outcome((manifest.reference,), aliases)


def _same_job(one: Manifest, other: Manifest) -> bool:
    job = one.training.get("job")
    return job is not None and job == other.training.get("job")

"""What it took to make a contestant's learngene, the shared ancestor apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from learngenes.gene import Manifest
from learngenes.tournament.report import Effort
from learngenes.training.checkpoint import progress
from learngenes.training.fitting import PHASE
from learngenes.zoo import METHODS


def spent(manifest: Manifest, fitted: Manifest | None, *, run: Path) -> Effort:
    """Of a learngene learned in a run directory whose checkpoints are all there; fitted: to the size, of this one."""
    phases = {path.stem: progress(path) for path in run.glob("*.safetensors")}
    learning = [phase for name, phase in phases.items() if name != PHASE]
    fitting = [phase for name, phase in phases.items() if name == PHASE and fitted is not None]
    return Effort(
        depth=manifest.geometry.depth,
        width=manifest.geometry.width,
        steps=sum(phase.step for phase in learning),
        images=sum(phase.images for phase in learning),
        fitting_steps=sum(phase.step for phase in fitting),
        fitting_images=sum(phase.images for phase in fitting),
        seconds=round(sum(phase.seconds for phase in (*learning, *fitting)), 1),
    )


def recorded(manifest: Manifest, fitted: Manifest | None) -> Effort:
    """Of a learngene of the store, as far as manifests say; None is what they don't."""
    record = manifest.training
    trained = "training" in METHODS[manifest.method].takes
    learning = [record, *record.get("auxiliary", {}).values()] if trained else []
    fitting = [] if fitted is None else [fitted.training]
    return Effort(
        depth=manifest.geometry.depth,
        width=manifest.geometry.width,
        steps=_total("steps", learning),
        images=_images(learning),
        fitting_steps=_total("steps", fitting),
        fitting_images=_images(fitting),
        seconds=_total("seconds", [*learning, *fitting]),
        conditions={name: record.get(name) for name in ("train", "train_n", "epochs", "batch")}
        | {"ancestor": (manifest.ancestor or {}).get("architecture")},
    )


def _total(name: str, records: list[dict[str, Any]]) -> Any:
    """The sum of a value over records; None if one lacks it."""
    values = [record[name] for record in records if name in record]
    return sum(values) if len(values) == len(records) else None


def _images(records: list[dict[str, Any]]) -> int | None:
    shown = [record["steps"] * record["batch"] for record in records if record.keys() >= {"steps", "batch"}]
    return sum(shown) if len(shown) == len(records) else None

"""A table as tasks: what has to be taught, learned, fitted and measured, each known by a digest of all that decides it.

A digest covers the declaration down to the ancestor and the seed, so tables share what they have in common and a
result is found again by whoever declares the same. It covers neither the code and its defaults, for which FORMAT is
raised when they change meaning, nor the images, which a run directory knows by their bytes, nor the device.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from experiments.grid import Learngene, Precision, Row, Setting, Table
from learngenes import config
from learngenes.evaluation.job import EvaluationJob
from learngenes.families.vit import Geometry
from learngenes.job import LearnJob, identity
from learngenes.job_options import AncestorOptions, DataOptions, Input, TrainingOptions
from learngenes.zoo import METHODS

FORMAT = 1
SHOWN = ("mean", "std", "interpolation", "crop_pct", "augment")
"""Fields of the data that decide how test images are shown, tuned or not."""


@dataclass(frozen=True)
class Teach:
    """An ancestor that is trained, by the setting's images."""

    name: str
    seed: int
    options: AncestorOptions
    geometry: Geometry
    data: DataOptions

    @property
    def needs(self) -> tuple[Task, ...]:
        """Nothing."""
        return ()

    @property
    def key(self) -> dict[str, Any]:
        """What decides it."""
        classes = {"classes": self.geometry.classes, "channels": self.geometry.channels, "image": self.geometry.image}
        return {"ancestor": identity(self.options), "data": identity(self.data), "seed": self.seed, **classes}

    @cached_property
    def digest(self) -> str:
        """Of the key."""
        return digest(self.key)


@dataclass(frozen=True)
class Learn:
    """A learngene. job: without its ancestor, which is `ancestor`'s outcome; input: for what learns from no images."""

    name: str
    job: LearnJob
    ancestor: Teach | Learn | None
    input: Input

    @property
    def needs(self) -> tuple[Task, ...]:
        """The ancestor."""
        return () if self.ancestor is None else (self.ancestor,)

    @property
    def seed(self) -> int:
        """Of the job."""
        return self.job.seed

    @property
    def key(self) -> dict[str, Any]:
        """What decides it; not its name."""
        flat = {key: value for key, value in identity(self.job).items() if key not in ("name", "description")}
        ancestor = None if self.ancestor is None else self.ancestor.digest
        return {"learn": flat, "ancestor": ancestor, "input": asdict(self.input)}

    @cached_property
    def digest(self) -> str:
        """Of the key."""
        return digest(self.key)


@dataclass(frozen=True)
class Fit:
    """A learngene fitted to a size. options: fields of FitJob beside the size, the images and the seed."""

    learn: Learn
    depth: int
    width: int
    data: DataOptions
    options: dict[str, Any]

    @property
    def needs(self) -> tuple[Task, ...]:
        """The learngene."""
        return (self.learn,)

    @property
    def name(self) -> str:
        """For people."""
        chosen = "".join(f", {key} {value}" for key, value in self.options.get("options", {}).items())
        return f"{self.learn.name} {self.depth}x{self.width} fitted{chosen}"

    @property
    def seed(self) -> int:
        """Of the learngene."""
        return self.learn.seed

    @property
    def key(self) -> dict[str, Any]:
        """What decides it."""
        table = asdict(self) | {"learn": self.learn.digest, "data": identity(self.data)}
        return {"fit": table}

    @cached_property
    def digest(self) -> str:
        """Of the key."""
        return digest(self.key)


@dataclass(frozen=True)
class Measure:
    """One number. row: as declared, of which this is one depth, width and number of epochs."""

    learn: Learn
    fit: Fit | None
    row: Row
    depth: int
    width: int
    epochs: int
    train: str
    test: str
    training: dict[str, Any]
    data: dict[str, Any]
    precision: Precision

    @property
    def needs(self) -> tuple[Task, ...]:
        """The learngene, fitted if it has to be."""
        return (self.learn,) if self.fit is None else (self.fit,)

    @property
    def name(self) -> str:
        """For people."""
        tuned = f" +{self.epochs}" if self.epochs else ""
        return f"{self.row.name} {self.depth}x{self.width}{tuned}"

    @property
    def seed(self) -> int:
        """Of the learngene, the drawing and the tuning."""
        return self.learn.seed

    def job(self, learngene: str) -> EvaluationJob:
        """The evaluation of this one number. learngene: the reference it has in the run's store."""
        return EvaluationJob(
            learngene=learngene,
            test=self.test,
            train=self.train if self.epochs else None,
            depths=(self.depth,),
            widths=(self.width,),
            epochs=(self.epochs,),
            seeds=(self.seed,),
            precision=self.precision,
            training=self.training,
            data=self.data,
        )

    @property
    def key(self) -> dict[str, Any]:
        """What decides it."""
        if self.epochs:
            more: dict[str, Any] = {"train": self.train, "training": self.training, "data": self.data}
        else:  # as the setting shows them, unless the row says otherwise
            shown = {key: value for key, value in self.row.data.items() if key in SHOWN}
            more = {"data": shown} if shown else {}
        return {
            "measure": {
                "learngene": (self.fit or self.learn).digest,
                "options": self.row.options,
                "depth": self.depth,
                "width": self.width,
                "epochs": self.epochs,
                "test": self.test,
                "precision": self.precision,
                **more,
            }
        }

    @cached_property
    def digest(self) -> str:
        """Of the key."""
        return digest(self.key)


Task = Teach | Learn | Fit | Measure


def digest(key: dict[str, Any]) -> str:
    """16 hexadecimal digits of what decides a task."""
    raw = json.dumps({"format": FORMAT, **key}, sort_keys=True, default=list).encode()
    return hashlib.sha256(raw).hexdigest()[:16]


def measures(table: Table) -> Iterator[Measure]:
    """Every measurement of a table, seed by seed."""
    for seed in table.seeds:
        for row in table.rows:
            yield from _row(table.setting, row, seed)


def with_needs(wanted: Iterator[Measure]) -> list[Task]:
    """These tasks and all they need, each once, needs first."""
    found: dict[str, Task] = {}

    def add(task: Task) -> None:
        if task.digest not in found:
            for need in task.needs:
                add(need)
            found[task.digest] = task

    for task in wanted:
        add(task)
    return list(found.values())


def _row(setting: Setting, row: Row, seed: int) -> Iterator[Measure]:
    learn = learned(setting, row.learngene, seed)
    geometry = learn.job.geometry
    training, data = dict(row.training), dict(row.data)
    if not row.train:  # the setting's images are varied as they were for learning
        kept = asdict(setting.data)
        data = {key: kept[key] for key in kept if key not in ("train", "test", "license")} | data
    if row.recipe == "learning":
        whole = asdict(setting.training)
        training = {key: whole[key] for key in whole if key not in ("epochs", "precision")} | training
    for width in row.widths or (geometry.width,):
        for depth in row.depths or (geometry.depth,):
            fit = None
            if row.fit:
                fit = Fit(learn, depth, width, learn.job.data or setting.data, dict(row.fit))
            for epochs in row.epochs:
                yield Measure(
                    learn=learn,
                    fit=fit,
                    row=row,
                    depth=depth,
                    width=width,
                    epochs=epochs,
                    train=row.train or setting.data.train,
                    test=row.test or setting.data.test,
                    training=training,
                    data=data,
                    precision=setting.precision,
                )


def learned(setting: Setting, name: str, seed: int) -> Learn:
    """The task of a learngene of the setting."""
    entry: Learngene = setting.learngenes[name]
    takes = METHODS[entry.method].takes
    ancestor: Teach | Learn | None = None
    geometry = replace(setting.geometry, **entry.geometry)
    data = replace(setting.data, **entry.data)
    if entry.ancestor in setting.ancestors:
        ancestor = Teach(entry.ancestor, seed, setting.ancestors[entry.ancestor], setting.geometry, setting.data)
    elif entry.ancestor:
        ancestor = learned(setting, entry.ancestor, seed)
    training = {f: getattr(setting.training, f) for f in TrainingOptions.__dataclass_fields__} | entry.training
    job = LearnJob(
        name=name,
        method=entry.method,
        geometry=geometry,
        data=data if "data" in takes else None,
        training=config.parse(training, TrainingOptions, where="[training]") if "training" in takes else None,
        options=entry.options,
        seed=seed,
    )
    return Learn(name, job, ancestor, data.input)

"""A learning run: what is to be learned, and what came of it. Free of torch. Its tables are in job_options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry
from learngenes.job_options import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    SOURCES,
    AncestorOptions,
    DataOptions,
    Input,
    TrainingOptions,
)
from learngenes.store import check_name
from learngenes.tensorfile import IndexArray

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "SOURCES",
    "AncestorOptions",
    "DataOptions",
    "FloatArray",
    "Input",
    "LearnJob",
    "Learned",
    "Learner",
    "Report",
    "Stopped",
    "TrainingOptions",
    "check_teaching",
    "identity",
]

FloatArray = np.ndarray[Any, np.dtype[np.float32]]
Report = Callable[[dict[str, Any]], None]
"""Receives events: JSON values only, each with its name under `event`."""
Table = TypeVar("Table", DataOptions, TrainingOptions, AncestorOptions)


@dataclass(frozen=True, slots=True)
class LearnJob:
    """One learning run. options: the method's own table; name: of the learngene that comes of it.

    data, training, ancestor: tables that a method asks for with need_data and so on; each has some it does without.
    """

    name: str
    method: str
    geometry: Geometry
    data: DataOptions | None = None
    training: TrainingOptions | None = None
    ancestor: AncestorOptions | None = None
    options: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    license: str = "apache-2.0"
    description: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.seed < 0:
            raise InvalidValue(f"seed is at least 0, got {self.seed}")
        if self.data is not None:
            self._check_channels("mean and std", len(self.data.mean))
        if self.ancestor is not None and self.ancestor.mean:
            self._check_channels("the ancestor's mean and std", len(self.ancestor.mean))
        if self.data is None:
            self._check_without_data()
        elif self.data.augment == "light" and self.data.padding >= self.geometry.image:
            raise InvalidValue(
                f"padding reflects the image and stays below its side {self.geometry.image}, got {self.data.padding}"
            )

    def _check_channels(self, what: str, given: int) -> None:
        if given != self.geometry.channels:
            raise InvalidValue(f"{what} have one value per channel: {self.geometry.channels}, got {given}")

    def _check_without_data(self) -> None:
        """InvalidValue for what can't be without images."""
        if self.training is not None:
            raise InvalidValue("[training] needs images to train on; add [data], or remove [training]")
        if self.ancestor is None:
            return
        if self.ancestor.training is not None:
            raise InvalidValue("[ancestor.training] needs images to train on; add [data], or name a checkpoint")
        if self.ancestor.checkpoint is not None and not self.ancestor.mean:
            raise InvalidValue(
                f"nothing says how images were normalised for {self.ancestor.checkpoint}; add ancestor.mean and "
                f"ancestor.std, or [data]"
            )

    @property
    def input(self) -> Input:
        """How images are prepared for what is learned, as far as the job says it.

        From [data], else the ancestor's mean and std. A job with neither learns nothing from images: ImageNet's
        values where there are three channels, else 0.5.
        """
        if self.data is not None:
            return self.data.input
        if self.ancestor is not None and self.ancestor.mean:
            return Input(self.ancestor.mean, self.ancestor.std)
        if self.geometry.channels == len(IMAGENET_MEAN):
            return Input(IMAGENET_MEAN, IMAGENET_STD)
        return Input((0.5,) * self.geometry.channels, (0.5,) * self.geometry.channels)

    def need_data(self) -> DataOptions:
        """[data], or InvalidValue."""
        return self._need("data", self.data)

    def need_training(self) -> TrainingOptions:
        """[training], or InvalidValue."""
        return self._need("training", self.training)

    def need_ancestor(self) -> AncestorOptions:
        """[ancestor], or InvalidValue."""
        return self._need("ancestor", self.ancestor)

    def refuse(self, *tables: Literal["data", "training", "ancestor"]) -> None:
        """InvalidValue if the job has a table that its method would not look at."""
        for table in tables:
            if getattr(self, table) is not None:
                raise InvalidValue(f"method {self.method!r} has no use for [{table}]; remove the table")

    def _need(self, name: str, table: Table | None) -> Table:
        if table is None:
            raise InvalidValue(f"method {self.method!r} needs [{name}]; add the table")
        return table


@dataclass(frozen=True, slots=True)
class Learned:
    """What a method learned: float32 tensors and int32 rankings by name, and a record of the run in JSON values.

    facts: what the method needs to expand it, such as the stage counts of SWS.
    input: how images are prepared for it; None is as the job says.
    """

    tensors: Mapping[str, FloatArray | IndexArray]
    facts: Mapping[str, Any]
    record: Mapping[str, Any]
    input: Input | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """The run was asked to stop and saved its state after `step` of `steps`; the same command continues it."""

    phase: str
    step: int
    steps: int


class Learner(Protocol):
    """Runs a job in the directory `run`, resuming what lies there; `data` is where relative paths start."""

    def __call__(
        self, job: LearnJob, *, run: Path, data: Path, report: Report, stop: Callable[[], bool]
    ) -> Learned | Stopped:
        """The learned tensors, or Stopped soon after `stop()` turned true."""


def check_teaching(job: LearnJob, *, alpha: float) -> None:
    """InvalidValue unless there is an ancestor exactly when alpha, the weight of its logits, is above 0."""
    if job.ancestor is None and alpha > 0:
        raise InvalidValue(
            f"alpha {alpha} weighs an ancestor and there is none; add [ancestor], or set options.alpha = 0"
        )
    if job.ancestor is not None and alpha == 0:
        raise InvalidValue("alpha 0 leaves the ancestor without a part; raise options.alpha or remove [ancestor]")


UNRELATED = ("workers", "checkpoint_minutes", "report_seconds")
"""Options, in any table, that change no result."""


def identity(options: object) -> dict[str, Any]:
    """What decides the outcome, flat as `a.b.c` -> JSON value: a checkpoint resumes only under the same one.

    Left out: what changes no result, and licenses, which change none of the tensors.
    """
    flat: dict[str, Any] = {}
    for entry in fields(options):  # type: ignore[arg-type]
        if entry.name not in (*UNRELATED, "license"):
            _flatten(entry.name, getattr(options, entry.name), flat)
    return flat


def _flatten(name: str, value: Any, flat: dict[str, Any]) -> None:
    if hasattr(value, "__dataclass_fields__"):
        flat.update({f"{name}.{key}": inner for key, inner in identity(value).items()})
    elif isinstance(value, dict):
        for key, inner in value.items():
            _flatten(f"{name}.{key}", inner, flat)
    else:
        flat[name] = list(value) if isinstance(value, tuple) else value

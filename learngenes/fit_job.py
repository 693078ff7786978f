"""Fitting a learngene to one size on a little data: what is asked, and what came of it. Free of torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from learngenes.errors import InvalidValue
from learngenes.gene import Manifest
from learngenes.job import Learned, Report, Stopped
from learngenes.job_options import DataOptions
from learngenes.sizes import Size
from learngenes.tensorfile import Tensors


@dataclass(frozen=True, slots=True)
class FitJob:
    """Fit a learngene to a size: what it stores stays frozen, the little that the size needs is learned.

    learngene: `name` or `name@version`. steps, batch: of AdamW without weight decay, cosine after a linear warm-up over
    that share of the steps. images: how many training images are used, drawn once by seed; 0 for all.
    options: the method's own fit options.
    """

    learngene: str
    depth: int
    width: int
    data: DataOptions
    steps: int = 200
    batch: int = 256
    images: int = 0
    learning_rate: float = 5e-3
    warmup: float = 0.1
    precision: Literal["float32", "bfloat16"] = "float32"
    options: dict[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("steps", 0), ("batch", 1), ("images", 0), ("seed", 0)):
            if (value := getattr(self, name)) < least:
                raise InvalidValue(f"{name} is at least {least}, got {value}")
        if not (self.learning_rate > 0 and 0 <= self.warmup <= 1):
            raise InvalidValue(
                f"learning_rate is above 0 and warmup a share of 0 to 1, got {self.learning_rate} and {self.warmup}"
            )

    @property
    def size(self) -> Size:
        """What is fitted."""
        return Size(self.depth, self.width)

    def check_input(self, manifest: Manifest) -> None:
        """InvalidValue unless images are normalised as the learngene to fit takes them."""
        known = manifest.normalization
        if (known.mean, known.std) != (self.data.mean, self.data.std):
            raise InvalidValue(
                f"learngene {manifest.reference} takes images of mean {list(known.mean)} and std {list(known.std)}, "
                f"the job says {list(self.data.mean)} and {list(self.data.std)}; put the learngene's into data"
            )


class Fitter(Protocol):
    """Fits a learngene to the job's size, resuming in `run`; `data` is where relative paths start."""

    def __call__(
        self,
        job: FitJob,
        manifest: Manifest,
        tensors: Tensors,
        *,
        run: Path,
        data: Path,
        report: Report,
        stop: Callable[[], bool],
    ) -> Learned | Stopped:
        """What the size needs beside the parent's tensors; facts are added to the parent's."""

"""The cells of an evaluation: one measurement each, with all that decides it and the file that keeps what came of it.

A cell's name holds a digest of everything that decides its result, so a file found under it is the answer: to this run
resumed, to a wider one, and to one of another version of the learngene with the same weights. Images count by source,
number and class names, not by their bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from learngenes import preparation, recipe
from learngenes.budget.curves import LATENCY_MS, TOP1
from learngenes.catalog import Catalog
from learngenes.errors import BadCheckpoint
from learngenes.evaluation.job import EvaluationJob
from learngenes.gene import Manifest
from learngenes.initialize import Request
from learngenes.job import identity
from learngenes.job_options import DataOptions, TrainingOptions
from learngenes.ready import planned
from learngenes.recipe import Recipe
from learngenes.sizes import Size

FORMAT = 1
"""Of the files; raised when what is measured changes meaning."""

LATENCY_PASSES = 50
"""Forward passes whose median is the latency, after as many that are not counted."""

LATENCY_IMAGES = ("noise", "batch 1")
"""What stands for data set and split in a measurement of latency."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What decides a measurement of a set of images beside how they are prepared."""

    source: str
    n: int
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all cells share. device: cpu or cuda; hardware: the line that latencies belong to."""

    test: ImageFacts
    train: ImageFacts | None
    device: str
    hardware: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement. learngene: whose tensors the recipe reads; training: None for untuned; key: its identity."""

    depth: int
    width: int
    epochs: int
    seed: int
    metric: Literal["top1", "latency_ms"]
    learngene: str
    recipe: Recipe
    data: DataOptions
    training: TrainingOptions | None
    precision: str
    key: dict[str, Any]

    @property
    def name(self) -> str:
        """Unlike any other cell's, and a file name."""
        what = f"{self.epochs}-epochs-seed{self.seed}" if self.metric == TOP1 else "latency"
        raw = json.dumps(self.key, sort_keys=True).encode()
        return f"{Size(self.depth, self.width).name}-{what}-{hashlib.sha256(raw).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a cell: the value of its metric over n images or passes, after so many steps of tuning.

    curve: of a tuned network, the value after every epoch; empty where results were kept without one.
    """

    value: float
    n: int
    steps: int
    hardware: str
    versions: dict[str, str]
    curve: tuple[float, ...] = ()


def cells(job: EvaluationJob, manifest: Manifest, catalog: Catalog, setting: Setting) -> list[Cell]:
    """Every cell of the grid, accuracies first; what can't be is refused before anything is measured.

    A size that was fitted is measured as what was fitted. Untuned descendants in which nothing is drawn are one cell
    for all seeds, with the seed the learngene was learned with.
    """
    return [*_accuracies(job, manifest, catalog, setting), *_latencies(job, manifest, catalog, setting)]


def read(folder: Path, cell: Cell) -> Result | None:
    """What a cell's file says; None if there is none yet. BadCheckpoint for a file that is not this cell's."""
    path = folder / f"{cell.name}.json"
    try:
        table = json.loads(path.read_text("utf-8"))
        if table.pop("key") != cell.key:
            raise BadCheckpoint(f"{path} holds another measurement than its name says; delete it")
        return Result(**table | {"curve": tuple(table.get("curve", ()))})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, BadCheckpoint):
            raise
        raise BadCheckpoint(f"{path} is no measurement: {error}; delete it") from error


def write(folder: Path, cell: Cell, result: Result) -> None:
    """Keep what came of a cell, whole or not at all. The same result gives the same bytes."""
    path = folder / f"{cell.name}.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(result) | {"key": cell.key}, indent=1, sort_keys=True) + "\n", "utf-8")
    part.replace(path)


def _accuracies(job: EvaluationJob, manifest: Manifest, catalog: Catalog, setting: Setting) -> Iterator[Cell]:
    head = preparation.head_for(manifest, setting.test.classes)
    for width in _widths(job, manifest):
        for depth in job.depths:
            request = Request(depth=depth, width=width, **head)
            drawn = _draws(manifest, catalog, request)
            for epochs in job.epochs:
                seeds = job.seeds if epochs or drawn else (manifest.training.get("seed", 0),)
                for seed in seeds:
                    yield accuracy(job, manifest, catalog, setting, request=replace(request, seed=seed), epochs=epochs)


def accuracy(
    job: EvaluationJob, manifest: Manifest, catalog: Catalog, setting: Setting, *, request: Request, epochs: int
) -> Cell:
    """The cell of one descendant's accuracy. request: with depth and width; its seed is also that of the tuning."""
    test = setting.test
    data = preparation.data_options(manifest, train=job.train or job.test, test=job.test, changes=job.data)
    made, used = planned(catalog, manifest, request)
    key: dict[str, Any] = {
        "recipe": _contents(made, used, catalog),
        "test": _images(test),
        "input": asdict(data.input),
        "precision": job.precision,
        "device": setting.device,
    }
    training = None
    if epochs:
        assert setting.train is not None
        training = job.tuning(epochs, width=made.geometry.width, fused_attention=setting.device == "cuda")
        key |= {
            "train": _images(setting.train),
            "data": identity(data),
            "training": identity(training),
            "seed": request.seed,
        }
    return _cell(TOP1, made, used, epochs, request.seed, data, training, job, key)


def _latencies(job: EvaluationJob, manifest: Manifest, catalog: Catalog, setting: Setting) -> Iterator[Cell]:
    if not job.latency:
        return
    data = preparation.data_options(manifest, train=job.test, test=job.test)
    for width in _widths(job, manifest):
        for depth in job.depths:
            made, used = planned(catalog, manifest, Request(depth=depth, width=width))
            key = {
                "geometry": asdict(made.geometry),
                "family": made.family,
                "passes": LATENCY_PASSES,
                "precision": job.precision,
                "hardware": setting.hardware,
            }
            yield _cell(LATENCY_MS, made, used, 0, 0, data, None, job, key)


def _cell(
    metric: Literal["top1", "latency_ms"],
    made: Recipe,
    used: Manifest,
    epochs: int,
    seed: int,
    data: DataOptions,
    training: TrainingOptions | None,
    job: EvaluationJob,
    key: dict[str, Any],
) -> Cell:
    return Cell(
        depth=made.geometry.depth,
        width=made.geometry.width,
        epochs=epochs,
        seed=seed,
        metric=metric,
        learngene=used.reference,
        recipe=made,
        data=data,
        training=training,
        precision=job.precision,
        key=json.loads(json.dumps({"format": FORMAT, "metric": metric, "epochs": epochs, **key})),
    )


def _widths(job: EvaluationJob, manifest: Manifest) -> tuple[int, ...]:
    return job.widths or (manifest.space.width.nearest(manifest.geometry.width),)


def _draws(manifest: Manifest, catalog: Catalog, request: Request) -> bool:
    """Whether anything in the descendant depends on the seed."""
    one, other = (planned(catalog, manifest, replace(request, seed=seed))[0] for seed in (0, 1))
    return one != other


def _contents(made: Recipe, used: Manifest, catalog: Catalog) -> str:
    """sha256 of a recipe and of the weights it reads: not of the learngene's name, version and measurements."""
    parent = catalog.parent_of(used)
    weights = [manifest.weights.sha256 for manifest in (used, parent) if manifest is not None]
    return hashlib.sha256(recipe.to_json(replace(made, learngene="", manifest=" ".join(weights)))).hexdigest()


def _images(facts: ImageFacts) -> dict[str, Any]:
    classes = hashlib.sha256("\n".join(facts.classes).encode()).hexdigest()
    return {"source": facts.source, "n": facts.n, "classes": classes}

"""One task in torch, by the code that a worker runs for a job and the service for a request."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experiments.tasks import Fit, Learn, Measure, Task, Teach
from learngenes.catalog import Catalog
from learngenes.evaluation import grid
from learngenes.evaluation.cell import Bench, forget
from learngenes.evaluation.grid import ImageFacts, Setting
from learngenes.families import architectures
from learngenes.fit_job import FitJob
from learngenes.initialize import Request, initialize
from learngenes.job import AncestorOptions, Learned, LearnJob, Report, Stopped
from learngenes.learners import FITTERS, LEARNERS
from learngenes.preparation import head_for
from learngenes.publish import publish, publish_fitted
from learngenes.store.local import LocalStore
from learngenes.stream import stream
from learngenes.training.device import Place, by_itself, hardware
from learngenes.training.session import session


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a process works. run: of all tables; data: where relative paths of images start.

    report: hears how trainings go; stop: tells when to put down the work.
    """

    run: Path
    data: Path
    place: Place
    report: Report
    stop: Callable[[], bool]
    bench: Bench

    @classmethod
    def at(cls, run: Path, data: Path, *, report: Report, stop: Callable[[], bool], index: int = 0) -> Desk:
        """A desk on this process's device. index: of the GPU among several."""
        place = by_itself(index)
        catalog = Catalog(LocalStore(run / "store"))
        return cls(run, data, place, report, stop, Bench(catalog, data, run, place))

    @property
    def catalog(self) -> Catalog:
        """What was learned so far."""
        return self.bench.catalog

    def called(self, task: Learn) -> str:
        """The learngene's name in the run's store: like a folder's, by the digest alone."""
        ending = f"-{task.digest}"
        return next((n for n in self.catalog.names() if n.endswith(ending)), f"{task.name}{ending}")

    def folder(self, task: Task) -> Path:
        """Checkpoints of a task: its digest decides which, its name is for people and may change."""
        tasks = self.run / "tasks"
        named = tasks / f"{task.name.replace(' ', '-')}-seed{task.seed}-{task.digest}"
        folder = next(tasks.glob(f"*-{task.digest}"), named)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def perform(task: Task, desk: Desk) -> dict[str, Any] | Stopped:
    """Do it, or go on with it: what came of it, as JSON values, with the seconds it took this time."""
    began = time.monotonic()
    match task:
        case Teach():
            made = _teach(task, desk)
        case Learn():
            made = _learn(task, desk)
        case Fit():
            made = _fit(task, desk)
        case Measure():
            made = _measure(task, desk)
    if isinstance(made, Stopped):
        return made
    return {"took": round(time.monotonic() - began, 1), **made}


def _teach(task: Teach, desk: Desk) -> dict[str, Any] | Stopped:
    job = LearnJob(task.name, "selection", task.geometry, data=task.data, ancestor=task.options, seed=task.seed)
    with session(job, run=desk.folder(task), data=desk.data, report=desk.report, stop=desk.stop, alone=True) as running:
        made = running.ancestor()
    if isinstance(made, Stopped):
        return made
    assert made is not None
    return {"record": made.record}


def _learn(task: Learn, desk: Desk) -> dict[str, Any] | Stopped:
    catalog, name = desk.catalog, desk.called(task)
    if not catalog.versions(name):
        job = replace(task.job, name=name, ancestor=_ancestor(task, desk))
        learned = LEARNERS[job.method](job, run=desk.folder(task), data=desk.data, report=desk.report, stop=desk.stop)
        if isinstance(learned, Stopped):
            return learned
        # Methods that look at no images do not know how these are normalised.
        known = learned if job.data else replace(learned, input=learned.input or task.input)
        publish(job, known, catalog=catalog)
    manifest = catalog.get(name)
    values = sum(math.prod(tensor.shape) for tensor in manifest.weights.tensors.values())
    record = {key: manifest.training[key] for key in ("accuracy", "seconds", "steps") if key in manifest.training}
    return {"record": record | {"stored": values}}


def _ancestor(task: Learn, desk: Desk) -> AncestorOptions | None:
    """As the job is given it: a checkpoint in the run directory."""
    match task.ancestor:
        case None:
            return None
        case Teach() as taught:
            path = (desk.folder(taught) / "ancestor.safetensors").absolute()
            return replace(taught.options, training=None, checkpoint=str(path))
        case Learn() as learned:
            catalog = desk.catalog
            manifest = catalog.get(desk.called(learned))
            recipe = initialize(manifest, Request(seed=learned.seed))
            path = (desk.folder(learned) / "descendant.safetensors").absolute()
            part = desk.folder(task) / "ancestor.part"
            with part.open("wb") as file:
                file.writelines(stream(catalog.assemble(recipe, manifest)))
            part.replace(path)
            return AncestorOptions(architecture="vit", checkpoint=str(path))


def _fit(task: Fit, desk: Desk) -> dict[str, Any] | Stopped:
    catalog = desk.catalog
    parent = catalog.get(desk.called(task.learn))
    job = FitJob(parent.reference, task.depth, task.width, task.data, **task.options | {"seed": task.seed})
    learned = FITTERS[parent.method](
        job, parent, catalog.tensors(parent), run=desk.folder(task), data=desk.data, report=desk.report, stop=desk.stop
    )
    if isinstance(learned, Stopped):
        return learned
    assert isinstance(learned, Learned)
    publish_fitted(job, parent, learned, catalog=_fitted(task, desk))
    return {"record": {key: learned.record[key] for key in ("seconds", "steps") if key in learned.record}}


def _fitted(task: Fit, desk: Desk) -> Catalog:
    """The parent and what was fitted by this task alone: the same size may be fitted in several ways."""
    store = LocalStore(desk.folder(task) / "store")
    catalog, whole = Catalog(store), desk.catalog
    if not catalog.versions(desk.called(task.learn)):
        manifest = whole.get(desk.called(task.learn))
        catalog.publish(manifest, [whole.open(manifest).view])
    return catalog


def _measure(task: Measure, desk: Desk) -> dict[str, Any] | Stopped:
    catalog = desk.catalog if task.fit is None else _fitted(task.fit, desk)
    bench = replace(desk.bench, catalog=catalog)
    manifest = catalog.get(desk.called(task.learn))
    job = task.job(manifest.reference)
    test, train = (ImageFacts(s, len(bench.opened(s)), tuple(bench.opened(s).classes)) for s in (task.test, task.train))
    shared = Setting(test, train, desk.place.device.type, hardware(desk.place))
    request = Request(
        depth=task.depth,
        width=task.width,
        seed=task.seed,
        options=task.row.options,
        **head_for(manifest, shared.test.classes),
    )
    cell = grid.accuracy(job, manifest, catalog, shared, request=request, epochs=task.epochs)
    assert task.fit is None or cell.learngene != manifest.reference, "what was fitted is not what is measured"
    (desk.run / "checkpoints").mkdir(parents=True, exist_ok=True)
    result = bench.measure(cell, report=desk.report, stop=desk.stop)
    if isinstance(result, Stopped):
        return result
    forget(desk.run, cell)
    return {"params": architectures.parameters(cell.recipe.geometry), **json.loads(json.dumps(asdict(result)))}

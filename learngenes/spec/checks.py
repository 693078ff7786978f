"""What can be refused of a job before anything is learned: without torch, and without opening an image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import PurePosixPath
from typing import Any

from learngenes import config, gene
from learngenes.aliases import check_alias
from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue, UnknownName
from learngenes.evaluation.job import EvaluationJob
from learngenes.families.vit import parameters
from learngenes.fit_job import FitJob
from learngenes.gene import Manifest
from learngenes.initialize import Request
from learngenes.job import LearnJob, check_teaching
from learngenes.job_options import Teaching
from learngenes.preparation import data_options
from learngenes.publish import check_fit, newest_of
from learngenes.ready import planned
from learngenes.spec.kinds import Evaluate, FitSize, Learn, Spec, Tournament
from learngenes.tournament.contestants import check_contestants
from learngenes.tournament.job import TournamentJob
from learngenes.zoo import METHODS

MOST_WORKERS, MOST_PARAMETERS = 64, 10**10
"""Processes that a confined job may ask for to prepare its batches, and parameters of the network it trains."""

OPENED_BY_TIMM = ("checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir")
"""Arguments of timm.create_model that name files, pickles included."""


def check(spec: Spec, catalog: Catalog) -> None:
    """Raise what running the job in this catalog would, as far as it can be told.

    LearngeneNotFound, UnsupportedSize, NeedsLearning, UnknownName or InvalidValue say what can't be and what can.
    """
    match spec:
        case Learn():
            check_learn(spec)
        case FitSize(job=job):
            _check_fit_size(job, catalog.get(job.learngene))
        case Evaluate(job=job):
            _check_evaluate(job, catalog)
            if spec.alias is not None:
                check_alias(spec.alias)
        case Tournament(job=job):
            check_contestants(job, catalog)


def check_learn(spec: Learn) -> None:
    """InvalidValue, UnknownName or UnsupportedSize where the job contradicts its method or asks for no legal size."""
    job = spec.job
    if spec.alias is not None:
        check_alias(spec.alias)
    if job.method not in METHODS:
        raise UnknownName("method", job.method, METHODS)
    method = METHODS[job.method]
    options = config.parse(job.options, method.learning, where=f"the options of {job.method}")
    for table in ("data", "training", "ancestor"):
        if table not in method.takes:
            job.refuse(table)
    for table in method.needs:
        getattr(job, f"need_{table}")()
    if isinstance(options, Teaching) and job.training is not None:
        check_teaching(job, alpha=options.alpha)
    if spec.measure and job.data is None:
        raise InvalidValue("measure needs images to measure on: add [data] to the job")
    if spec.measure_widths and not spec.measure:
        raise InvalidValue("measure_widths says where to measure what: add measure, a list of depths")
    for depth in spec.measure:
        for width in spec.measure_widths or (job.geometry.width,):
            method.space(job.geometry, {}).check(depth, width, learngene=job.name)


def pinned(spec: Spec, catalog: Catalog) -> Spec:
    """The job with `name@version` for every learngene it names, so that its id says which it is of.

    Of versions that differ in measurements alone the first: measuring a learngene makes no other job of it.
    """
    match spec:
        case FitSize(job=FitJob() as fit):
            return replace(spec, job=replace(fit, learngene=_first(fit.learngene, catalog)))
        case Evaluate(job=EvaluationJob() as measuring):
            return replace(spec, job=replace(measuring, learngene=_first(measuring.learngene, catalog)))
        case Tournament(job=TournamentJob() as comparing):
            first = tuple(dict.fromkeys(_first(reference, catalog) for reference in comparing.learngenes))
            return replace(spec, job=replace(comparing, learngenes=first))
        case _:
            return spec


def _first(reference: str, catalog: Catalog) -> str:
    manifest = catalog.get(reference)
    same = gene.unmeasured(manifest)
    older = (catalog.get(f"{manifest.name}@{version}") for version in catalog.versions(manifest.name))
    return next(one.reference for one in older if gene.unmeasured(one) == same)


def _check_fit_size(job: FitJob, parent: Manifest) -> None:
    check_fit(job, parent)
    job.check_input(parent)
    fitting_options = METHODS[parent.method].fitting
    assert fitting_options is not None
    config.parse(job.options, fitting_options, where=f"the fit options of {parent.method}")


def _check_evaluate(job: EvaluationJob, catalog: Catalog) -> None:
    manifest = catalog.get(job.learngene)
    newest_of(manifest, catalog)
    for width in job.widths or (None,):
        for depth in job.depths:
            planned(catalog, manifest, Request(depth=depth, width=width))


def confine(spec: Spec) -> None:
    """InvalidValue for what a job from outside may not decide: files outside the image directory, the worker's size."""
    job: LearnJob | FitJob | EvaluationJob | TournamentJob = spec.job
    for what, path in _paths(job):
        inner = PurePosixPath(path)
        if inner.is_absolute() or ".." in inner.parts or "\\" in path or "\0" in path:
            raise InvalidValue(f"{what} is a path inside the image directory, without '..', got {path!r}")
    if isinstance(job, LearnJob | TournamentJob):
        if (count := parameters(job.geometry)) > MOST_PARAMETERS:
            raise InvalidValue(f"a network of this geometry has {count:,} parameters, the most are {MOST_PARAMETERS:,}")
        for name in OPENED_BY_TIMM:
            if job.ancestor is not None and name in job.ancestor.arguments:
                raise InvalidValue(f"the ancestor's arguments may not name files, got {name}; give it a checkpoint")
    for table in _tables(job):
        if type(workers := table.get("workers", 0)) is int and workers > MOST_WORKERS:
            raise InvalidValue(f"workers is at most {MOST_WORKERS}, got {workers}")


def _paths(job: LearnJob | FitJob | EvaluationJob | TournamentJob) -> Iterator[tuple[str, str]]:
    """Everything in a job that names a file or a directory."""
    if isinstance(job, EvaluationJob):
        sources = {"test": job.test, "train": job.train}
    else:
        sources = {} if job.data is None else {"data.train": job.data.train, "data.test": job.data.test}
    for what, source in sources.items():
        kind, _, path = (source or "").partition(":")
        if kind != "digits":
            yield what, path
    if isinstance(job, LearnJob | TournamentJob) and job.ancestor is not None and job.ancestor.checkpoint is not None:
        yield "ancestor.checkpoint", job.ancestor.checkpoint
    if isinstance(job, FitJob) and isinstance(target := job.options.get("target"), str):
        yield "options.target", target


def _tables(job: object) -> Iterator[dict[str, Any]]:
    """Every table that may say how many processes prepare batches."""
    waiting: list[Any] = [asdict(job)]  # type: ignore[call-overload]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value


def fitting(manifest: Manifest, *, depth: int, width: int) -> FitSize | None:
    """The job that fits a learngene to this size on the images it was itself learned from.

    None if its sizes are not fitted, or its manifest does not name the images.
    """
    train, test = manifest.training.get("train"), manifest.training.get("test")
    if not METHODS[manifest.method].fits or manifest.parent is not None:
        return None
    if not (isinstance(train, str) and isinstance(test, str)):
        return None
    changes = {"padding": 0, "flip": 0.0, "license": manifest.data_license}
    data = data_options(manifest, train=train, test=test, changes=changes)
    if data.augment != "light":
        data = replace(data, augment="none")
    return FitSize(FitJob(learngene=manifest.reference, depth=depth, width=width, data=data))

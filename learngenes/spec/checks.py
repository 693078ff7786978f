"""What can be refused of a job before anything is learned: without torch, and without opening an image."""

from __future__ import annotations

from dataclasses import replace

from learngenes import config, gene
from learngenes.aliases import check_movable
from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue, UnknownName
from learngenes.evaluation.job import EvaluationJob
from learngenes.fit_job import FitJob
from learngenes.gene import Manifest
from learngenes.initialize import Request
from learngenes.job import check_teaching
from learngenes.job_options import Teaching
from learngenes.preparation import data_options
from learngenes.publish import check_fit, check_name_of, newest_of, published_by
from learngenes.ready import planned
from learngenes.sizes import Size
from learngenes.spec.kinds import Evaluate, FitSize, Learn, Spec, Tournament, identify
from learngenes.tournament.contestants import check_contestants
from learngenes.tournament.job import TournamentJob
from learngenes.zoo import METHODS


def check(spec: Spec, catalog: Catalog) -> None:
    """Raise what running the job in this catalog would, as far as it can be told.

    LearngeneNotFound, UnsupportedSize, NeedsLearning, UnknownName or InvalidValue say what can't be and what can.
    """
    match spec:
        case Learn():
            check_learn(spec)
            check_name_of(catalog, spec.job.name)
            if spec.private:
                check_private(spec, catalog)
        case FitSize(job=job):
            _check_fit_size(job, catalog.get(job.learngene))
        case Evaluate(job=job):
            _check_evaluate(job, catalog)
            if spec.alias is not None:
                check_movable(spec.alias)
        case Tournament(job=job):
            check_contestants(job, catalog)


def check_learn(spec: Learn) -> None:
    """InvalidValue, UnknownName or UnsupportedSize where the job contradicts its method or asks for no legal size."""
    job = spec.job
    if spec.alias is not None:
        check_movable(spec.alias)
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
    space = method.space(job.geometry, {})
    for depth in spec.measure:
        for width in spec.measure_widths or (job.geometry.width,):
            space.check(depth, width, learngene=job.name)


def check_private(spec: Learn, catalog: Catalog) -> None:
    """InvalidValue for a job that would hide what everybody sees: the mark is of the name, so of all its versions."""
    name = spec.job.name
    if not catalog.versions(name) or name in catalog.private():
        return
    if published_by(identify(spec), name, catalog=catalog) is None:
        raise InvalidValue(
            f"private = true would hide learngene {name!r}, which is public; choose another name, or leave it out"
        )


def replaced(spec: Spec, catalog: Catalog) -> str | None:
    """The learngene for which others would get something else once this job is done; None if there is none.

    A newer version, a size fitted anew and an alias do that; measurements alone do not, nor what this very job
    published.
    """
    match spec:
        case Learn(job=learning):
            known = catalog.versions(learning.name)
            mine = bool(known) and published_by(identify(spec), learning.name, catalog=catalog) is not None
            return f"{learning.name}@{known[-1]}" if known and not mine else None
        case FitSize(job=fit):
            fitted = catalog.fitted(catalog.get(fit.learngene), Size(fit.depth, fit.width))
            return None if fitted is None or fitted.training.get("job") == identify(spec) else fitted.reference
        case Evaluate(job=measuring, alias=str(alias)):
            return f"{catalog.get(measuring.learngene).name}@{alias}"
        case _:
            return None


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
    alike = [one.reference for one in older if gene.unmeasured(one) == same]
    return next((reference for reference in alike if not catalog.yanks.has(reference)), manifest.reference)


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

"""What was learned becomes a learngene: rounded once to its stored dtype, described, kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, replace

from learngenes import gene, tensorfile
from learngenes.catalog import Catalog
from learngenes.errors import BlobExists, InvalidValue
from learngenes.fit_job import FitJob
from learngenes.gene import Manifest, Normalization, Parent, Quality
from learngenes.job import Learned, LearnJob
from learngenes.names import check_new_name
from learngenes.recipe import DTYPES
from learngenes.sizes import SizeSpace, Steps
from learngenes.store import check_name
from learngenes.tensorfile import TensorFile
from learngenes.zoo import METHODS

ATTEMPTS = 100
"""Of publishing the next version while others publish theirs."""


def publish(
    job: LearnJob,
    learned: Learned,
    *,
    catalog: Catalog,
    dtype: str = "f32",
    measure: Callable[[Manifest, TensorFile], Iterable[Quality]] | None = None,
) -> Manifest:
    """Keep what a job learned as the next version of its learngene; returns the manifest.

    dtype: f32, f16 or bf16, what the tensors are stored in. measure: gives the quality measurements that go into the
    manifest, of the tensors as stored.
    """
    file = TensorFile(b"".join(tensorfile.write(learned.tensors, DTYPES[dtype])))
    manifest = describe(job, learned, file, version=_next(catalog, job.name))
    if measure is not None:
        manifest = replace(manifest, quality=tuple(measure(manifest, file)))
    return _publish_next(manifest, file, catalog)


def published_by(job: str, name: str, *, catalog: Catalog) -> Manifest | None:
    """The version of a learngene that the job of this id published, if it has: spec.identify gives ids."""
    for version in catalog.versions(name):
        manifest = catalog.get(f"{name}@{version}")
        if manifest.training.get("job") == job:
            return manifest
    return None


def check_name_of(catalog: Catalog, name: str) -> str:
    """The name itself; InvalidKey for a new one that nobody could name in an address. Those that are there go on."""
    return name if catalog.versions(name) else check_new_name(name)


def _next(catalog: Catalog, name: str) -> int:
    return (catalog.versions(check_name_of(catalog, name)) or [0])[-1] + 1


def _publish_next(manifest: Manifest, file: TensorFile, catalog: Catalog) -> Manifest:
    """As the first version that nobody else took meanwhile; the other's, if it was the same job's."""
    job = manifest.training.get("job")

    def offer() -> tuple[Manifest, TensorFile | None]:
        made = replace(manifest, version=_next(catalog, manifest.name))
        # Asked once the version is chosen: what another trainer of this job publishes is seen, or takes that version.
        if job is not None and (other := published_by(job, made.name, catalog=catalog)) is not None:
            return other, None
        return made, file

    return _first_free(offer, catalog)


def _first_free(offer: Callable[[], tuple[Manifest, TensorFile | None]], catalog: Catalog) -> Manifest:
    """Publish what `offer` gives, which is asked anew while others take its version; without a file it is there."""
    for attempt in range(ATTEMPTS):
        manifest, file = offer()
        if file is None:
            return manifest
        try:
            catalog.publish(manifest, [file.view])
        except BlobExists:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return manifest
    raise AssertionError


def publish_as_next(
    manifest: Manifest, file: TensorFile, *, catalog: Catalog, replaces: Callable[[str], None]
) -> tuple[Manifest, bool]:
    """Keep a learngene as the next version of its name; what was kept, and whether by this.

    The version that has the same content already is the answer where there is one, whatever number it has. replaces: is
    told `name@version` of what answers to the name until now, before it no longer does; what it raises ends this.
    """
    new = True

    def offer() -> tuple[Manifest, TensorFile | None]:
        nonlocal new
        versions = catalog.versions(manifest.name)
        for version in reversed(versions):
            other = catalog.get(f"{manifest.name}@{version}")
            if replace(other, version=1) == replace(manifest, version=1):
                new = False
                return other, None
        if versions:
            replaces(f"{manifest.name}@{versions[-1]}")
        else:
            check_new_name(manifest.name)
        return replace(manifest, version=(versions or [0])[-1] + 1), file

    return _first_free(offer, catalog), new


def describe(job: LearnJob, learned: Learned, file: TensorFile, *, version: int) -> Manifest:
    """The manifest of what a job learned, without measurements."""
    method = METHODS[job.method]
    record = dict(learned.record)
    manifest = Manifest(
        name=job.name,
        version=version,
        method=job.method,
        method_version=method.version,
        family="vit",
        geometry=job.geometry,
        space=method.space(job.geometry, dict(learned.facts)),
        varies=method.varies,
        method_facts=dict(learned.facts),
        weights=gene.weigh(file),
        normalization=Normalization(**asdict(learned.input or job.input)),
        labels=tuple(record.pop("classes", ())),
        ancestor=record.pop("ancestor", None),
        training=record,
        license=job.license,
        data_license="unknown" if job.data is None else job.data.license,
        description=job.description,
    )
    method.plan(manifest, manifest.space.nearest(job.geometry.depth, job.geometry.width), method.options())
    return manifest


def publish_measured(manifest: Manifest, quality: Iterable[Quality], *, catalog: Catalog) -> Manifest:
    """The learngene with more measurements, as its next version: the same file, the same everything else.

    A measurement of what was measured before replaces the older one. Nothing is published where nothing changes. If a
    newer version differs in measurements alone, these are added to it.
    """
    found = list(quality)

    def offer() -> tuple[Manifest, TensorFile | None]:
        newest = newest_of(manifest, catalog)  # of a faster evaluation too: its measurements are kept
        merged = {_subject(old): old for old in newest.quality} | {_subject(new): new for new in found}
        if tuple(merged.values()) == newest.quality:
            return newest, None
        measured = replace(newest, version=newest.version + 1, quality=tuple(merged.values()))
        return measured, catalog.open(newest)

    return _first_free(offer, catalog)


def newest_of(manifest: Manifest, catalog: Catalog) -> Manifest:
    """The newest version of a learngene, to which measurements go; InvalidValue if more than these have changed."""
    newest = catalog.get(f"{manifest.name}@{catalog.versions(manifest.name)[-1]}")
    if gene.unmeasured(newest) != gene.unmeasured(manifest):
        raise InvalidValue(
            f"{manifest.reference} is not the newest of its name, which is {newest.reference} and another learngene: "
            f"measure that one"
        )
    return newest


def _subject(quality: Quality) -> Quality:
    """What was measured, without what came of it and by which command."""
    return replace(quality, value=0.0, n=1, command="")


def check_fit(job: FitJob, parent: Manifest) -> str:
    """What the learngene will be called that fits `parent` to the job's size; the reason where it can't be fitted."""
    if not METHODS[parent.method].fits:
        raise InvalidValue(
            f"learngene {parent.reference} is of method {parent.method!r}, whose sizes need no fitting; build one"
        )
    if parent.parent is not None:
        raise InvalidValue(
            f"learngene {parent.reference} was itself fitted to one size; fit {parent.parent.learngene}, "
            f"which it comes from"
        )
    parent.space.check(job.depth, job.width, learngene=parent.reference)
    return check_name(gene.fitted_name(parent.name, job.size))


def publish_fitted(
    job: FitJob,
    parent: Manifest,
    learned: Learned,
    *,
    catalog: Catalog,
    dtype: str = "f32",
    measure: Callable[[Manifest, TensorFile], Iterable[Quality]] | None = None,
) -> Manifest:
    """Keep what a size needs beside its parent's tensors, as a learngene of that one size; returns its manifest.

    dtype, measure: as in `publish`.
    """
    name = check_fit(job, parent)
    file = TensorFile(b"".join(tensorfile.write(learned.tensors, DTYPES[dtype])))
    manifest = Manifest(
        name=name,
        version=_next(catalog, name),
        method=parent.method,
        method_version=parent.method_version,
        family=parent.family,
        geometry=parent.geometry,
        space=SizeSpace(Steps(job.depth, job.depth), Steps(job.width, job.width)),
        varies=tuple(what for what in parent.varies if what not in ("depth", "width")),
        method_facts=parent.method_facts | dict(learned.facts),
        weights=gene.weigh(file),
        normalization=parent.normalization,
        labels=parent.labels,
        ancestor=parent.ancestor,
        training=dict(learned.record),
        license=parent.license,
        data_license=job.data.license,
        description=f"{parent.reference} fitted to depth {job.depth}, width {job.width}",
        parent=Parent(parent.reference, parent.digest),
    )
    METHODS[manifest.method].plan(manifest, job.size, METHODS[manifest.method].options())
    if measure is not None:
        manifest = replace(manifest, quality=tuple(measure(manifest, file)))
    return _publish_next(manifest, file, catalog)

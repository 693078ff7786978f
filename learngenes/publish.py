"""What was learned becomes a learngene: rounded once to its stored dtype, described, kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from learngenes import gene, tensorfile
from learngenes.catalog import Catalog
from learngenes.gene import Manifest, Normalization, Quality
from learngenes.job import Learned, LearnJob
from learngenes.recipe import DTYPES
from learngenes.tensorfile import TensorFile
from learngenes.zoo import METHODS


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
    manifest = describe(job, learned, file, version=(catalog.versions(job.name) or [0])[-1] + 1)
    if measure is not None:
        manifest = replace(manifest, quality=tuple(measure(manifest, file)))
    catalog.publish(manifest, [file.view])
    return manifest


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
        space=method.space(job.geometry),
        varies=method.varies,
        method_facts=dict(learned.facts),
        weights=gene.weigh(file),
        normalization=Normalization(
            mean=job.data.mean,
            std=job.data.std,
            interpolation=job.data.interpolation,
            crop_pct=1.0 if job.data.augment == "light" else job.data.crop_pct,
        ),
        labels=tuple(record.pop("classes")),
        ancestor=record.pop("ancestor", None),
        training=record,
        license=job.license,
        data_license=job.data.license,
        description=job.description,
    )
    method.plan(manifest, manifest.space.nearest(job.geometry.depth, job.geometry.width), method.options())
    return manifest

"""A learngene learned, kept in the run directory, measured and published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from learngenes import tensorfile
from learngenes.gene import Manifest, Quality
from learngenes.job import Learned, Stopped
from learngenes.perform.workplace import Outcome, Workplace, alone, announce, leads
from learngenes.publish import publish, published_by
from learngenes.spec import Learn, check_private
from learngenes.tensorfile import TensorFile


def learn(spec: Learn, at: Workplace) -> Outcome | Stopped | None:
    """Learn, or go on with what lies in the run directory; published where there is a catalog.

    None in the ranks beside the first. What this job has published already is not learned again.
    """
    before = _before(spec, at) if alone() else None  # ranks would not all see what is published meanwhile
    if before is None:
        from learngenes.learners import LEARNERS

        learned = LEARNERS[spec.job.method](spec.job, run=at.run, data=at.data, report=at.report, stop=at.stop)
        if isinstance(learned, Stopped):
            return learned
        if not leads():
            return None
        keep(learned, at.run)
        if at.catalog is None:
            return Outcome()
        before = _published(spec, learned, at)
    return announce(before, at, alias=spec.alias) if leads() else None


def keep(learned: Learned, run: Path) -> None:
    """The tensors, then the record, each whole or not at all, as learned.safetensors and record.json."""
    part = run / "learned.part"
    with part.open("wb") as file:
        file.writelines(tensorfile.write(dict(learned.tensors), "F32"))
    part.replace(run / "learned.safetensors")
    part.write_text(json.dumps(dict(learned.record), indent=1, sort_keys=True) + "\n", "utf-8")
    part.replace(run / "record.json")


def _before(spec: Learn, at: Workplace) -> Manifest | None:
    """What this job has published already."""
    if at.job is None or at.catalog is None:
        return None
    return published_by(at.job, spec.job.name, catalog=at.catalog)


def _published(spec: Learn, learned: Learned, at: Workplace) -> Manifest:
    catalog, job = at.need_catalog(), spec.job
    if (before := _before(spec, at)) is not None:
        return before
    if spec.private:  # before anything of that name can be seen
        check_private(spec, catalog)
        catalog.set_private(job.name, True)
    learned = Learned(learned.tensors, learned.facts, at.record(dict(learned.record)), learned.input)

    def measure(manifest: Manifest, tensors: TensorFile) -> Iterator[Quality]:
        from learngenes import quality
        from learngenes.training.data import open_images

        data = job.need_data()
        return quality.measure(
            manifest,
            tensors,
            depths=spec.measure,
            widths=spec.measure_widths,
            images=open_images(data.test, data=at.data),
            source=data.test,
            command=at.command,
            precision="float32" if job.training is None else job.training.precision,
            options=data,
        )

    return publish(job, learned, catalog=catalog, dtype=spec.dtype, measure=measure if spec.measure else None)

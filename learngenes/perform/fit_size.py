"""A learngene fitted to one size, and that measured and published."""

from __future__ import annotations

from collections.abc import Iterator

from learngenes.catalog import Catalog
from learngenes.gene import Manifest, Quality
from learngenes.job import Learned, Stopped
from learngenes.perform.learn import keep
from learngenes.perform.workplace import Outcome, Workplace, announce, leads
from learngenes.publish import check_fit, publish_fitted, published_by
from learngenes.spec import FitSize
from learngenes.tensorfile import TensorFile, TensorFiles


def fit_size(spec: FitSize, at: Workplace) -> Outcome | Stopped | None:
    """Fit, or go on with what lies in the run directory; what comes of it is private where the learngene is.

    One process does it: None in the ranks beside the first. What this job has published already is not fitted again.
    """
    if not leads():
        return None
    catalog = at.need_catalog()
    parent = catalog.get(spec.job.learngene)
    name = check_fit(spec.job, parent)
    before = None if at.job is None else published_by(at.job, name, catalog=catalog)
    if before is None:
        from learngenes.learners import FITTERS

        learned = FITTERS[parent.method](
            spec.job, parent, catalog.tensors(parent), run=at.run, data=at.data, report=at.report, stop=at.stop
        )
        if isinstance(learned, Stopped):
            return learned
        keep(learned, at.run)
        if parent.name in catalog.private():
            catalog.set_private(name, True)
        learned = Learned(learned.tensors, learned.facts, at.record(dict(learned.record)))
        before = publish_fitted(
            spec.job,
            parent,
            learned,
            catalog=catalog,
            dtype=spec.dtype,
            measure=lambda child, file: _measured(spec, child, file, parent, catalog, at),
        )
    return announce(before, at)


def _measured(
    spec: FitSize, child: Manifest, file: TensorFile, parent: Manifest, catalog: Catalog, at: Workplace
) -> Iterator[Quality]:
    """Untuned accuracy of the descendant as it will be served, on the job's test images."""
    from learngenes import quality
    from learngenes.training.data import open_images

    job = spec.job
    return quality.measure(
        child,
        TensorFiles((file, catalog.open(parent))),
        depths=(job.depth,),
        widths=(job.width,),
        images=open_images(job.data.test, data=at.data),
        source=job.data.test,
        command=at.command,
        precision=job.precision,
        options=job.data,
    )

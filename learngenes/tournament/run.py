"""A tournament from job to report: each contestant learned, its descendant built as it would be served, measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from learngenes.catalog import Catalog
from learngenes.errors import BadData, InvalidValue, NeedsLearning
from learngenes.evaluation import grid
from learngenes.evaluation.cell import Bench, forget
from learngenes.evaluation.grid import Setting
from learngenes.evaluation.run import quality, setting
from learngenes.fit_job import FitJob
from learngenes.gene import Manifest
from learngenes.initialize import Request
from learngenes.job import AncestorOptions, LearnJob, Report, Stopped
from learngenes.learners import FITTERS, LEARNERS
from learngenes.publish import publish, publish_fitted
from learngenes.ready import planned
from learngenes.store.local import LocalStore
from learngenes.tournament import report as reports
from learngenes.tournament.contestants import Excluded, existing, learnings, shared_ancestor
from learngenes.tournament.effort import recorded, spent
from learngenes.tournament.job import TournamentJob
from learngenes.tournament.report import Entry
from learngenes.training.checkpoint import progress
from learngenes.training.device import by_itself
from learngenes.training.session import session


@dataclass(frozen=True, slots=True)
class Venue:
    """Where a tournament is held. catalog: of learngenes that exist; run: an existing directory, which keeps what was
    learned and measured: the same job in it, or in a copy, goes on.
    """

    catalog: Catalog
    run: Path
    data: Path
    report: Report
    stop: Callable[[], bool]


def play(job: TournamentJob, venue: Venue) -> dict[str, Any] | Stopped:
    """The report, see report.as_table, also as report.md in the run directory. Nothing is published.

    InvalidValue if nobody can take part; what one method can't do is said of it in the report.
    """
    contest = _Contest(job, venue, setting(job.evaluation("every@1", seed=0), venue.data))
    ancestor = contest.ancestor()
    if isinstance(ancestor, Stopped):
        return ancestor
    manifests, excluded = existing(job, venue.catalog)
    entries: list[Entry] = []
    for seed in job.seeds:
        for method, learning in contest.learnings(seed, ancestor, excluded):
            made = contest.learned(f"{method}-seed{seed}", learning)
            if isinstance(made, Excluded):
                excluded.append(replace(made, name=method))
                continue
            measured = made if isinstance(made, Stopped) else contest.measured(method, made, seed, own=True)
            if isinstance(measured, Stopped):
                return measured
            entries.append(measured)
        for manifest in manifests:
            measured = contest.measured(manifest.reference, manifest, seed, own=False)
            if isinstance(measured, Stopped):
                return measured
            entries.append(measured)
    entries = [entry for entry in entries if entry.contestant not in {one.name for one in excluded}]
    if not entries:
        raise InvalidValue(f"nobody can take part: {'; '.join(f'{one.name}: {one.reason}' for one in excluded)}")
    table = reports.as_table(
        job, entries, excluded, ancestor=contest.ancestor_record(), hardware=contest.setting.hardware
    )
    part = venue.run / "report.part"
    part.write_text(reports.page(table), "utf-8")
    part.replace(venue.run / "report.md")
    return table


class _Contest:
    """A tournament that is held: its own learngenes, and where descendants are measured."""

    def __init__(self, job: TournamentJob, venue: Venue, setting: Setting) -> None:
        self.job, self.venue, self.setting = job, venue, setting
        self.request = Request(depth=job.depth, width=job.width)
        for name in ("cells", "checkpoints"):
            (venue.run / name).mkdir(exist_ok=True)
        self.own = Catalog(LocalStore(venue.run / "store"))
        place = by_itself()
        self.benches = {
            own: Bench(catalog, venue.data, venue.run, place)
            for own, catalog in ((True, self.own), (False, venue.catalog))
        }

    def ancestor(self) -> AncestorOptions | Stopped | None:
        """The shared ancestor as a method is given it, trained if it has to be."""
        job = self.job
        if job.ancestor is None or job.ancestor.training is None:
            return shared_ancestor(job, None)
        run = self._folder("ancestor")
        teaching = LearnJob("ancestor", "selection", job.geometry, data=job.data, ancestor=job.ancestor)
        report = self._labelled("ancestor")
        with session(teaching, run=run, data=self.venue.data, report=report, stop=self.venue.stop) as running:
            made = running.ancestor()
        if isinstance(made, Stopped):
            return made
        return shared_ancestor(job, str((run / "ancestor.safetensors").absolute()))

    def ancestor_record(self) -> dict[str, Any] | None:
        """What the report says of it."""
        if self.job.ancestor is None:
            return None
        record: dict[str, Any] = {"architecture": self.job.ancestor.architecture}
        if self.job.ancestor.training is not None:
            done = progress(self.venue.run / "ancestor" / "ancestor.safetensors")
            record |= {"steps": done.step, "images": done.images, "seconds": round(done.seconds, 1)}
            record["accuracy"] = done.correct / done.n
        return record

    def learnings(
        self, seed: int, ancestor: AncestorOptions | None, excluded: list[Excluded]
    ) -> Iterator[tuple[str, LearnJob]]:
        """What each method learns that is not excluded yet; adds those that can't take part."""
        found, more = learnings(self.job, seed=seed, ancestor=ancestor)
        out = {one.name for one in excluded}
        excluded += [one for one in more if one.name not in out]
        return ((method, learning) for method, learning in found.items() if method not in out)

    def learned(self, name: str, learning: LearnJob) -> Manifest | Excluded | Stopped:
        """The learngene of a method and a seed; fitted to the size if the method has to be."""
        try:
            return self._learned(name.replace("_", "-"), learning)
        except (InvalidValue, BadData) as error:
            return Excluded(name, str(error))

    def _learned(self, name: str, learning: LearnJob) -> Manifest | Stopped:
        if not self.own.versions(name):
            outcome = LEARNERS[learning.method](
                replace(learning, name=name),
                run=self._folder(name),
                data=self.venue.data,
                report=self._labelled(name),
                stop=self.venue.stop,
            )
            if isinstance(outcome, Stopped):
                return outcome
            # Methods that look at no images do not know how these are normalised.
            learned = outcome if learning.data else replace(outcome, input=outcome.input or self.job.data.input)
            publish(replace(learning, name=name), learned, catalog=self.own)
        manifest = self.own.get(name)
        try:
            planned(self.own, manifest, self.request)
        except NeedsLearning:
            return self._fitted(manifest, learning.seed)
        return manifest

    def _fitted(self, manifest: Manifest, seed: int) -> Manifest | Stopped:
        """The learngene, once what the size needs is fitted: by the defaults of fitting, on the training images."""
        job, venue = self.job, self.venue
        fitting = FitJob(
            manifest.reference, job.depth, job.width, job.data, precision=job.training.precision, seed=seed
        )
        learned = FITTERS[manifest.method](
            fitting,
            manifest,
            self.own.tensors(manifest),
            run=self._folder(manifest.name),
            data=venue.data,
            report=self._labelled(manifest.name),
            stop=venue.stop,
        )
        if isinstance(learned, Stopped):
            return learned
        publish_fitted(fitting, manifest, learned, catalog=self.own)
        return manifest

    def measured(self, contestant: str, manifest: Manifest, seed: int, *, own: bool) -> Entry | Stopped:
        """A contestant's descendant, tuned and measured, or what the run directory holds of that."""
        venue = self.venue
        catalog = self.own if own else venue.catalog
        evaluation = self.job.evaluation(manifest.reference, seed=seed)
        (cell,) = grid.cells(evaluation, manifest, catalog, self.setting)
        folder = venue.run / "cells"
        result = grid.read(folder, cell)
        if result is None:
            if venue.stop():
                return Stopped(f"the tournament, before {contestant}", 0, 1)
            made = self.benches[own].measure(cell, report=self._labelled(manifest.name), stop=venue.stop)
            if isinstance(made, Stopped):
                return made
            result = made
            grid.write(folder, cell, result)
            forget(venue.run, cell)
        venue.report({"event": "measured", "contestant": contestant, "seed": seed, "top1": result.value})
        found = replace(quality(cell, result, ""), seed=seed)
        used = catalog.get(cell.learngene)
        fitted = None if used == manifest else used
        effort = spent(manifest, fitted, run=self._folder(manifest.name)) if own else recorded(manifest, fitted)
        return Entry(contestant, seed, found, self._stored(used, catalog), effort, result.steps)

    def _stored(self, manifest: Manifest, catalog: Catalog) -> int:
        """Values in the files that a descendant is made from."""
        parent = catalog.parent_of(manifest)
        return sum(
            math.prod(tensor.shape)
            for one in (manifest, parent)
            if one is not None
            for tensor in one.weights.tensors.values()
        )

    def _folder(self, name: str) -> Path:
        folder = self.venue.run / name
        folder.mkdir(exist_ok=True)
        return folder

    def _labelled(self, contestant: str) -> Report:
        """A report function that says of whom."""
        return lambda event: self.venue.report({"contestant": contestant, **event})

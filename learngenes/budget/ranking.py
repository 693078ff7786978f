"""Planning by budget: which learngene at which size, ranked by measured accuracy, and why not the others.

Sizes are counted by closed forms, a column of one width at a time; only what is listed in the end is planned.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from learngenes import gene
from learngenes.budget.curves import LATENCY_MS, TOP1, UNKNOWN, Curve, Estimate, Ranked, ranked_by
from learngenes.budget.exclusions import Budget, Exclusion, exclusions, sift
from learngenes.budget.family import alone, measurements
from learngenes.budget.offers import Column, columns, needs_learning
from learngenes.errors import InvalidValue, LearngenesError, UnknownName
from learngenes.gene import Manifest, Parent, Quality
from learngenes.recipe import DTYPES
from learngenes.sizes import Size

__all__ = ["Budget", "Candidate", "Exclusion", "Fitted", "Ranking", "plan"]

Fitted = Callable[[Manifest, Size], Manifest | None]
"""The learngene that was fitted to a size of another one, if there is any: catalog.fitted."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A size of a learngene that fits the budget.

    bytes: exact size of its safetensors file; latency_ms: None if none was measured at or around this size.
    needs_learning: it has to be fitted to this size first.
    """

    learngene: str
    method: str
    depth: int
    width: int
    params: int
    macs: int
    bytes: int
    quality: Estimate
    latency_ms: Estimate | None
    needs_learning: bool


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates, best first, at most as many as asked for.

    total: all there are, of which so many are measured, interpolated and unknown. notes: what to know of the order.
    """

    budget: Budget
    dataset: str | None
    split: str | None
    metric: str
    epochs_after: int
    dtype: str
    candidates: tuple[Candidate, ...]
    total: int
    measured: int
    interpolated: int
    unknown: int
    exclusions: tuple[Exclusion, ...]
    notes: tuple[str, ...]


def plan(
    learngenes: Iterable[Manifest],
    budget: Budget,
    *,
    dataset: str | None = None,
    epochs_after: int = 0,
    dtype: str = "f32",
    limit: int | None = 20,
    fitted: Fitted | None = None,
) -> Ranking:
    """Every size of these learngenes that fits the budget: best measured accuracy first, unknown ones last.

    Equal accuracies: fewer parameters first. Unknown accuracies: more parameters first.
    dataset: whose measurements rank; None is the one with most. epochs_after: of training after initialization.
    dtype: f32, f16 or bf16, of the files. limit: how many candidates are listed, None for all.
    A learngene that was fitted to one size of another one here counts as that size of the other.
    UnknownName for a data set that nobody measured on.
    """
    if dtype not in DTYPES:
        raise UnknownName("dtype", dtype, DTYPES)
    if limit is not None and limit < 1:
        raise InvalidValue(f"limit is the number of candidates to list, at least 1, got {limit}")
    family = _families(list(learngenes), fitted)
    chosen, notes = ranked_by([q for member in family for q in member.quality], dataset, epochs_after)
    places: list[_Place] = []
    excluded: list[Exclusion] = []
    for member in family:
        try:
            found, left_out = member.offer(budget, chosen, epochs_after, DTYPES[dtype])
        except LearngenesError as error:
            found, left_out = [], [_whole(member.manifest, str(error))]
        places += found
        excluded += left_out
        if chosen != (None, None) and not member.measurements(chosen, epochs_after):
            notes.append(f"learngene {member.manifest.reference} was not measured so: its sizes are unknown, and last")
    kinds = Counter(place.quality.kind for place in places)
    best = heapq.nsmallest(len(places) if limit is None else limit, places, key=lambda place: place.rank)
    if kinds["interpolated"]:
        notes.append(
            "interpolated accuracies lie on a line between measured sizes (in depth, or between widths in log "
            "parameters); outside the measured sizes nothing is guessed"
        )
    return Ranking(
        budget=budget,
        dataset=chosen[0],
        split=chosen[1],
        metric=TOP1,
        epochs_after=epochs_after,
        dtype=dtype,
        candidates=tuple(place.candidate(DTYPES[dtype], fitted) for place in best),
        total=len(places),
        measured=kinds["measured"],
        interpolated=kinds["interpolated"],
        unknown=kinds["unknown"],
        exclusions=tuple(excluded),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Family:
    """A learngene, and those that were fitted to sizes of it."""

    manifest: Manifest
    children: tuple[Manifest, ...]

    @property
    def quality(self) -> tuple[Quality, ...]:
        """Of what answers."""
        return measurements(self.manifest, self.children)

    def measurements(self, chosen: Ranked, epochs_after: int) -> list[Quality]:
        """The accuracies that rank."""
        return [
            q for q in self.quality if (q.metric, q.dataset, q.split, q.epochs_after) == (TOP1, *chosen, epochs_after)
        ]

    def offer(
        self, budget: Budget, chosen: Ranked, epochs_after: int, dtype: str
    ) -> tuple[list[_Place], list[Exclusion]]:
        """The sizes that fit, and those that do not."""
        table = {column.width: column for column in columns(self.manifest)}

        def parameters(size: Size) -> int:
            return table[size.width].cost("params", size.depth, dtype=dtype)

        def curve(entries: Iterable[Quality], alone: frozenset[Size] = frozenset()) -> Curve:
            held = (q for q in entries if q.width in table and q.depth in table[q.width].depths)
            return Curve(held, params=parameters, alone=alone)

        quality = curve(self.measurements(chosen, epochs_after), alone(self.manifest, self.children))
        latency = curve(q for q in self.quality if q.metric == LATENCY_MS)
        known = quality.depths
        places, runs = [], []
        for column in table.values():
            inside, left_out = sift(column, budget, latency=latency, dtype=dtype)
            runs += left_out
            for depth in inside:
                found = quality.at(Size(depth, column.width)) if depth in known else UNKNOWN
                places.append(_Place(self, column, depth, found, latency))
        return places, exclusions(self.manifest, runs, budget)


@dataclass(frozen=True, slots=True)
class _Place:
    """A candidate before it is written out."""

    family: _Family
    column: Column
    depth: int
    quality: Estimate
    latency: Curve

    @property
    def rank(self) -> tuple[bool, float, float, str, int, int]:
        """Sorts the better one first."""
        params, value = self.column.cost("params", self.depth, dtype=""), self.quality.value
        order: tuple[float, float] = (0.0, -params) if value is None else (-value, params)
        return (value is None, *order, self.family.manifest.reference, self.depth, self.column.width)

    def candidate(self, dtype: str, fitted: Fitted | None) -> Candidate:
        """In full. dtype: F32, F16 or BF16."""
        manifest, size = self.family.manifest, Size(self.depth, self.column.width)
        latency = self.latency.at(size)
        return Candidate(
            learngene=manifest.reference,
            method=manifest.method,
            depth=size.depth,
            width=size.width,
            params=self.column.cost("params", size.depth, dtype=dtype),
            macs=self.column.cost("macs", size.depth, dtype=dtype),
            bytes=self.column.cost("bytes", size.depth, dtype=dtype),
            quality=self.quality,
            latency_ms=None if latency.value is None else latency,
            needs_learning=needs_learning(manifest, size) and not self._fitted(size, fitted),
        )

    def _fitted(self, size: Size, fitted: Fitted | None) -> bool:
        """Whether somebody has fitted the learngene to this size."""
        if any(gene.size_fitted(child) == size for child in self.family.children):
            return True
        return fitted is not None and fitted(self.family.manifest, size) is not None


def _families(given: Sequence[Manifest], fitted: Fitted | None) -> list[_Family]:
    """Each learngene with its children; a child whose parent is not among the given stands for itself."""
    children: dict[str, list[Manifest]] = {}
    alone = []
    for manifest in given:
        parent = _parent(manifest, given, fitted)
        if parent is None:
            alone.append(manifest)
        else:
            children.setdefault(parent.reference, []).append(manifest)
    return [_Family(manifest, tuple(children.get(manifest.reference, ()))) for manifest in alone]


def _parent(child: Manifest, given: Sequence[Manifest], fitted: Fitted | None) -> Manifest | None:
    """The one of the given whose size the child was fitted to."""
    if child.parent is None:
        return None
    size = gene.size_fitted(child)
    name = child.parent.learngene.partition("@")[0]
    for manifest in given:
        if manifest.name == name and manifest.parent is None:
            if child.parent == Parent(manifest.reference, manifest.digest):
                return manifest
            if fitted is not None and (found := fitted(manifest, size)) and found.reference == child.reference:
                return manifest
    return None


def _whole(manifest: Manifest, reason: str) -> Exclusion:
    space = manifest.space
    sizes = 1
    for steps in (space.depth, space.width):
        sizes *= (steps.last - steps.first) // steps.step + 1
    return Exclusion(manifest.reference, manifest.method, None, None, sizes, "method", reason)

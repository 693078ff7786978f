"""What `/` shows around a size: the learngenes, the controls, the curve, or the sentence why a size can't be had."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from learngenes.budget.curves import TOP1, Estimate
from learngenes.budget.family import measurements
from learngenes.catalog import Catalog
from learngenes.errors import LearngenesError, NeedsLearning, UnsupportedSize
from learngenes.gene import Manifest
from learngenes.initialize import Request
from learngenes.ready import fitted_to
from learngenes.recipe import DTYPES
from learngenes.sizes import Size, Steps
from learngenes.zoo import METHODS
from learngenes_service.page import quality, stock
from learngenes_service.page.asked import MOST_DIGITS, Asked
from learngenes_service.page.methods import SENTENCES
from learngenes_service.page.size import Shown, provenance

DEEPEST_SLIDER = 32
"""The slider reaches so deep, or twice the learngene's own depth, so that a step can be hit; numbers go further."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A learngene in the list. best: the most accurate measured untuned size."""

    manifest: Manifest
    title: str
    sentence: str
    best: Estimate | None
    best_dataset: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Controls:
    """The form: what was asked for if it can be, else the nearest. slider: depths that the slider reaches."""

    depth: int
    width: int
    dtype: str
    space_depth: Steps
    space_width: Steps
    slider: Steps

    @property
    def widths(self) -> range:
        """Every legal width."""
        return range(self.space_width.first, self.space_width.last + 1, self.space_width.step)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a size can't be had. nearest: what can; job: that makes it possible; alternative: what can be had at once."""

    detail: str
    code: str
    nearest: Size | None = None
    job: str = ""
    alternative: dict[str, Any] | None = None


def listed(catalog: Catalog, current: str) -> list[Listed]:
    """Every learngene that answers by itself, in the order of the methods; what can't be read is left out."""
    offered = stock.manifests(catalog)
    found = [manifest for manifest in offered if manifest.parent is None and manifest.method in METHODS]
    order = list(METHODS)
    found.sort(key=lambda manifest: (order.index(manifest.method), manifest.name))
    names = [manifest.name for manifest in offered]
    return [_listed(manifest, fitted_to(catalog, manifest, names=names), current) for manifest in found]


def _listed(manifest: Manifest, fitted: Sequence[Manifest], current: str) -> Listed:
    measured = [q for q in measurements(manifest, fitted) if (q.metric, q.epochs_after) == (TOP1, 0)]
    best = max(measured, key=lambda q: q.value, default=None)
    estimate = None if best is None else Estimate("measured", best.value)
    dataset = "" if best is None else best.dataset
    title, sentence = METHODS[manifest.method].title, SENTENCES[manifest.method]
    return Listed(manifest, title, sentence, estimate, dataset, manifest.name == current.partition("@")[0])


def controls(manifest: Manifest, request: Request) -> Controls:
    """The form as the learngene allows it."""
    space, own = manifest.space, manifest.geometry
    depth = own.depth if request.depth is None else request.depth
    width = own.width if request.width is None else request.width
    nearest = space.nearest(depth, width)
    deep = max(DEEPEST_SLIDER, 2 * own.depth)
    last = space.depth.last if nearest.depth > deep else space.depth.nearest(min(deep, space.depth.last))
    slider = Steps(space.depth.first, last, space.depth.step)
    return Controls(nearest.depth, nearest.width, request.dtype, space.depth, space.width, slider)


def lenient(asked: Asked) -> Request:
    """The request as far as it makes sense: what is no number is left out."""

    def number(text: str) -> int | None:
        return int(text) if text.isascii() and text.isdecimal() and len(text) < MOST_DIGITS else None

    dtype = asked.dtype if asked.dtype in DTYPES else "f32"
    return Request(depth=number(asked.depth), width=number(asked.width), dtype=dtype)


def fault(error: LearngenesError, problem: dict[str, Any]) -> Fault:
    """What the page says instead of a size. problem: the body of the problem that the API answers with."""
    nearest = error.nearest if isinstance(error, UnsupportedSize) else None
    job = problem.get("job")
    return Fault(
        detail=str(problem["detail"]),
        code=str(problem["code"]),
        nearest=nearest,
        job=json.dumps(job, indent=2) if job else "",
        alternative=problem.get("alternative") if isinstance(error, NeedsLearning) else None,
    )


def _versions(catalog: Catalog, manifest: Manifest) -> list[tuple[str, bool]]:
    """References of all versions of the name, newest first, and whether they were taken back."""
    references = [f"{manifest.name}@{version}" for version in reversed(catalog.versions(manifest.name))]
    return [(reference, catalog.yanks.has(reference)) for reference in references]


def view(catalog: Catalog, manifest: Manifest, asked: Asked, made: Controls, found: Shown | None) -> dict[str, Any]:
    """What the template needs of a learngene, whether the size can be had or not."""
    size = Size(made.depth, made.width)
    try:
        curve = quality.shown(catalog, manifest, size, epochs=asked.epochs_after)
    except LearngenesError:
        curve = None
    return {
        "manifest": manifest,
        "method": METHODS.get(manifest.method),
        "sentence": SENTENCES.get(manifest.method, ""),
        "yank": catalog.yanks.get(manifest.reference),
        "versions": _versions(catalog, manifest),
        "controls": made,
        "curve": curve,
        "found": found,
        "provenance": provenance(manifest if found is None else found.chosen),
    }

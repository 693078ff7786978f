"""What is known of what a learngene answers with: its own measurements, and those of what was fitted to it."""

from __future__ import annotations

from collections.abc import Sequence

from learngenes.budget.offers import needs_learning
from learngenes.gene import Manifest, Quality, size_fitted
from learngenes.sizes import Size


def measurements(manifest: Manifest, fitted: Sequence[Manifest]) -> tuple[Quality, ...]:
    """All of them, but what the learngene itself had at a fitted size by the same measure: it answers there no more.

    fitted: learngenes that were fitted to sizes of this one.
    """
    theirs = tuple(q for child in fitted for q in child.quality)
    replaced = {_measure(q) for q in theirs}
    return (*(q for q in manifest.quality if _measure(q) not in replaced), *theirs)


def alone(manifest: Manifest, fitted: Sequence[Manifest]) -> frozenset[Size]:
    """Fitted sizes that say nothing of their neighbours, because the learngene answers those unfitted."""
    return frozenset(size for size in map(size_fitted, fitted) if not needs_learning(manifest, size))


def _measure(q: Quality) -> tuple[int, int, str, str, str, int]:
    """What was measured, whatever the seed."""
    return (q.depth, q.width, q.dataset, q.split, q.metric, q.epochs_after)

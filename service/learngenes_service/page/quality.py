"""What is known of a learngene's accuracy over depth at one width, and of the baselines, as a chart and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from learngenes.budget.curves import TOP1, UNKNOWN, Curve, Estimate, Ranked, ranked_by
from learngenes.budget.family import alone, measurements
from learngenes.budget.offers import columns
from learngenes.catalog import Catalog
from learngenes.errors import LearngenesError
from learngenes.gene import Manifest, Quality
from learngenes.ready import fitted_to
from learngenes.sizes import Size
from learngenes_service.page import stock, writing
from learngenes_service.page.charts import HEIGHT, Chart, Label, Line, Mark, Scale, band, ticks

BASELINES = {"scratch": "scratch", "selection": "truncation"}
"""Methods whose learngenes are baselines, and what the chart calls them."""

FARTHEST = 2
"""The chart follows the chosen depth up to so many times the deepest that is known."""

NEAREST_PIXELS = 14
"""Two labels at the right edge stay so far apart."""


@dataclass(frozen=True, slots=True)
class Row:
    """A depth in the table twin. estimate: of the learngene; baselines: in the order of `Shown.baselines`."""

    depth: int
    estimate: Estimate
    baselines: tuple[Estimate, ...]
    chosen: bool


@dataclass(frozen=True, slots=True)
class Baseline:
    """Something to compare with. reference: its learngene; None where nobody measured any here."""

    kind: str
    label: str
    reference: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """The curve at one width. here: of the chosen size; others: how many epochs were measured besides."""

    dataset: str
    split: str
    n: int
    epochs: int
    others: tuple[int, ...]
    width: int
    here: Estimate
    chart: Chart | None
    rows: tuple[Row, ...]
    baselines: tuple[Baseline, ...]
    chance: float | None
    commands: tuple[str, ...]
    widths: tuple[int, ...]


def shown(catalog: Catalog, manifest: Manifest, size: Size, *, epochs: int) -> Shown | None:
    """The curve through the size's width; None if nobody measured any accuracy of this learngene."""
    fitted = fitted_to(catalog, manifest)
    entries = measurements(manifest, fitted)
    chosen, _ = ranked_by(entries, None, epochs)
    if chosen == (None, None):
        return _elsewhere(entries, size, epochs)
    held = [q for q in entries if _is(q, chosen, epochs)]
    curve = curve_of(manifest, held, alone(manifest, fitted))
    found = [*_found(catalog, manifest, chosen, epochs)]
    known = [depth for depth in curve.depths if curve.at(Size(depth, size.width)) is not UNKNOWN]
    depths = sorted({*known, size.depth})
    rows = tuple(
        Row(
            depth,
            _at(curve, depth, size.width),
            tuple(_at(other, depth, size.width) for _, other in found),
            depth == size.depth,
        )
        for depth in depths
    )
    others = {q.epochs_after for q in entries if (q.metric, q.dataset, q.split) == (TOP1, *chosen)} - {epochs}
    return Shown(
        dataset=str(chosen[0]),
        split=str(chosen[1]),
        n=max(q.n for q in held),
        epochs=epochs,
        others=tuple(sorted(others)),
        width=size.width,
        here=_at(curve, size.depth, size.width),
        chart=_chart(curve, found, size, chance=_chance(manifest), epochs=epochs),
        rows=rows,
        baselines=tuple(_baseline(kind, found) for kind in BASELINES),
        chance=_chance(manifest) if epochs == 0 else None,
        commands=tuple(dict.fromkeys(q.command for q in held)),
        widths=tuple(sorted({q.width for q in held})),
    )


def _elsewhere(entries: Sequence[Quality], size: Size, epochs: int) -> Shown | None:
    """Nothing after this training, but after other; None if it was never measured."""
    others = tuple(sorted({q.epochs_after for q in entries if q.metric == TOP1}))
    if not others:
        return None
    return Shown("", "", 0, epochs, others, size.width, UNKNOWN, None, (), (), None, (), ())


def curve_of(manifest: Manifest, entries: Sequence[Quality], alone: frozenset[Size] = frozenset()) -> Curve:
    """The curve through measurements of sizes that the learngene has. alone: see Curve."""
    table = {column.width: column for column in columns(manifest)}
    held = (q for q in entries if q.width in table and q.depth in table[q.width].depths)
    return Curve(held, params=lambda size: table[size.width].cost("params", size.depth, dtype=""), alone=alone)


def _is(q: Quality, chosen: Ranked, epochs: int) -> bool:
    return (q.metric, q.dataset, q.split, q.epochs_after) == (TOP1, *chosen, epochs)


def _at(curve: Curve, depth: int, width: int) -> Estimate:
    return curve.at(Size(depth, width)) if depth in curve.depths else UNKNOWN


def _chance(manifest: Manifest) -> float:
    return 1 / manifest.geometry.classes


def _found(catalog: Catalog, manifest: Manifest, chosen: Ranked, epochs: int) -> list[tuple[Manifest, Curve]]:
    """Baselines measured on the same images after the same training: the one measured most of each kind."""
    best: dict[str, tuple[int, Manifest, Curve]] = {}
    for other in stock.manifests(catalog):
        if other.method not in BASELINES or other.name == manifest.name or other.parent is not None:
            continue
        try:
            held = [q for q in other.quality if _is(q, chosen, epochs)]
            if len(held) > best.get(other.method, (0,))[0]:
                best[other.method] = (len(held), other, curve_of(other, held))
        except LearngenesError:  # broken, or of another library: no baseline
            continue
    return [(best[kind][1], best[kind][2]) for kind in BASELINES if kind in best]


def _baseline(kind: str, found: Sequence[tuple[Manifest, Curve]]) -> Baseline:
    reference = next((other.reference for other, _ in found if other.method == kind), None)
    return Baseline(kind, BASELINES[kind], reference)


def _chart(
    curve: Curve, found: Sequence[tuple[Manifest, Curve]], size: Size, *, chance: float, epochs: int
) -> Chart | None:
    if not curve.depths:
        return None
    first = min(curve.depths[0], size.depth)
    last = max(curve.depths[-1], min(size.depth, FARTHEST * curve.depths[-1]))
    lines: list[tuple[str, str, dict[int, Estimate]]] = [
        ("ghost", str(width), _along(curve, width))
        for width in sorted({point.width for point in curve.points} - {size.width})
    ]
    lines += [(BASELINES[other.method], BASELINES[other.method], _along(bar, size.width)) for other, bar in found]
    own = _along(curve, size.width)
    lines.append(("own", f"width {size.width}", own))
    highest = max((e.high or e.value or 0.0 for _, _, known in lines for e in known.values()), default=0.0)
    x = Scale(first - 0.5, last + 0.5)
    y, marks = ticks(max(highest, chance))
    drawn = [_line(kind, label, known, x, y) for kind, label, known in lines if known]
    labels = [Label(y.pixels(known[max(known)].value or 0.0), kind, label) for kind, label, known in lines if known]
    if epochs == 0:
        labels.append(Label(y.pixels(chance), "chance", "chance"))
    here = own.get(size.depth)
    return Chart(
        x=x.ticks(first, last),
        y=tuple((y.pixels(mark), writing.hundredths(mark)) for mark in marks),
        lines=tuple(drawn),
        bands=tuple(band([(x.percent(d), y.pixels(e.low), y.pixels(e.high)) for d, e in run]) for run in _runs(own)),
        labels=_apart(labels),
        chance=y.pixels(chance) if epochs == 0 else None,
        at=x.percent(min(size.depth, last)),
        here=None if here is None else y.pixels(here.value or 0.0),
        beyond=size.depth > last,
        first=x.first,
        last=x.last,
    )


def _along(curve: Curve, width: int) -> dict[int, Estimate]:
    at = {depth: curve.at(Size(depth, width)) for depth in curve.depths}
    return {depth: estimate for depth, estimate in at.items() if estimate is not UNKNOWN}


def _line(kind: str, label: str, known: dict[int, Estimate], x: Scale, y: Scale) -> Line:
    marks = [
        Mark(
            depth,
            x.percent(depth),
            y.pixels(e.value or 0.0),
            measured=e.kind == "measured",
            title=f"depth {depth}: {writing.percent(e.value)} {e.kind}",
        )
        for depth, e in sorted(known.items())
    ]
    pieces = [
        (one, other, one.measured and other.measured) for one, other in pairwise(marks) if other.value == one.value + 1
    ]
    return Line(kind, label, tuple(marks), tuple(pieces))


def _runs(known: dict[int, Estimate]) -> list[list[tuple[int, Estimate]]]:
    """Neighbouring depths that have an interval."""
    runs: list[list[tuple[int, Estimate]]] = []
    for depth, estimate in sorted(known.items()):
        if estimate.low is None:
            continue
        if runs and runs[-1][-1][0] == depth - 1:
            runs[-1].append((depth, estimate))
        else:
            runs.append([(depth, estimate)])
    return [run for run in runs if len(run) > 1]


def _apart(labels: list[Label]) -> tuple[Label, ...]:
    """Lower labels are pushed down, and up again from the bottom of the chart where that is too far."""
    labels = sorted(labels, key=lambda label: label.y)
    heights: list[float] = []
    for label in labels:
        heights.append(max(label.y, heights[-1] + NEAREST_PIXELS if heights else 0.0))
    lowest = float(HEIGHT)
    for n in reversed(range(len(heights))):
        heights[n] = min(heights[n], lowest)
        lowest = heights[n] - NEAREST_PIXELS
    return tuple(replace(label, y=y) for label, y in zip(labels, heights, strict=True))

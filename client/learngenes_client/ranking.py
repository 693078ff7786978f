"""What the service says of a budget: the descendants within it, best first, and why the others are not among them."""

from __future__ import annotations

from dataclasses import dataclass, field

from learngenes_client.models import Json, Steps, objects, steps_from, take


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured or interpolated value with its 95 % interval; None where nobody measured.

    kind: "measured", "interpolated" or "unknown"; seeds, n: measurements and images behind it.
    """

    kind: str
    value: float | None
    low: float | None
    high: float | None
    seeds: int
    n: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A descendant within the budget. bytes: of its checkpoint; needs_learning: has to be fitted to its size first."""

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
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Sizes of a learngene that are left out, and why. depths, widths: None where it is all of them."""

    learngene: str
    depths: Steps | None
    widths: Steps | None
    sizes: int
    limit: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """candidates: best first, not all of `total` if those are many. dataset: whose measurements rank them."""

    dataset: str | None
    metric: str
    total: int
    candidates: tuple[Candidate, ...]
    exclusions: tuple[Exclusion, ...]
    notes: tuple[str, ...]
    raw: Json = field(default_factory=dict, repr=False)


def ranking_from(raw: Json) -> Ranking:
    """The ranking, checked; BadAnswer names the first field that is missing or of another type."""
    return Ranking(
        dataset=None if raw.get("dataset") is None else take(raw, "dataset", str),
        metric=take(raw, "metric", str),
        total=take(raw, "total", int),
        candidates=tuple(_candidate(entry) for entry in objects(raw, "candidates")),
        exclusions=tuple(_exclusion(entry) for entry in objects(raw, "exclusions", default=[])),
        notes=tuple(str(note) for note in take(raw, "notes", list, default=[])),
        raw=raw,
    )


def _candidate(raw: Json) -> Candidate:
    return Candidate(
        learngene=take(raw, "learngene", str),
        method=take(raw, "method", str),
        depth=take(raw, "depth", int),
        width=take(raw, "width", int),
        params=take(raw, "params", int),
        macs=take(raw, "macs", int),
        bytes=take(raw, "bytes", int),
        quality=_estimate(take(raw, "quality", dict)),
        latency_ms=None if raw.get("latency_ms") is None else _estimate(take(raw, "latency_ms", dict)),
        needs_learning=take(raw, "needs_learning", bool, default=False),
        raw=raw,
    )


def _estimate(raw: Json) -> Estimate:
    def number(name: str) -> float | None:
        value = raw.get(name)
        return None if value is None else float(value if type(value) is int else take(raw, name, float))

    return Estimate(
        kind=take(raw, "kind", str),
        value=number("value"),
        low=number("low"),
        high=number("high"),
        seeds=take(raw, "seeds", int, default=0),
        n=take(raw, "n", int, default=0),
    )


def _exclusion(raw: Json) -> Exclusion:
    def steps(name: str) -> Steps | None:
        return None if raw.get(name) is None else steps_from(take(raw, name, dict))

    return Exclusion(
        learngene=take(raw, "learngene", str),
        depths=steps("depths"),
        widths=steps("widths"),
        sizes=take(raw, "sizes", int, default=0),
        limit=take(raw, "limit", str),
        reason=take(raw, "reason", str),
    )

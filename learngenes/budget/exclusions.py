"""Which sizes of a learngene a budget leaves out, in ranges, each with its reason in words."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Literal

from learngenes.budget.curves import Curve
from learngenes.budget.offers import Column, Cost
from learngenes.errors import InvalidValue
from learngenes.gene import Manifest
from learngenes.sizes import Size, Steps

Limit = Literal["params", "macs", "bytes", "latency_ms", "method"]
UNITS: dict[Limit, str] = {"params": " parameters", "macs": " multiply-adds", "bytes": " bytes", "latency_ms": " ms"}
COSTS: tuple[Cost, ...] = ("params", "macs", "bytes")
"""The limits on what closed forms count, in the order they are looked at."""

UNMEASURED = "no latency measured at or around these sizes; `learngenes evaluate --latency` measures it"


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a descendant may have; None is no limit.

    params: parameters; macs: multiply-adds of one image; bytes: of its safetensors file; latency_ms: milliseconds of a
    forward pass of one image, where that was measured.
    """

    max_params: int | None = None
    max_macs: int | None = None
    max_bytes: int | None = None
    max_latency_ms: float | None = None

    def __post_init__(self) -> None:
        for entry in fields(self):
            value, whole = getattr(self, entry.name), entry.name != "max_latency_ms"
            legal = type(value) is int or (not whole and type(value) is float and math.isfinite(value))
            if value is not None and not (legal and value > 0):
                raise InvalidValue(f"{entry.name} is a {'whole ' if whole else ''}number above 0, got {value!r}")

    def most(self, limit: Limit) -> float | None:
        """The limit on one thing."""
        value: float | None = getattr(self, f"max_{limit}")
        return value


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Sizes that do not fit, and why: all of depths x widths, which are None where it is the whole learngene."""

    learngene: str
    method: str
    depths: Steps | None
    widths: Steps | None
    sizes: int
    limit: Limit
    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring depths of one width that are left out for one reason.

    least: the smallest cost among them, where a limit on it is the reason; text: the reason otherwise.
    """

    width: int
    depths: tuple[int, ...]
    limit: Limit
    least: float | None
    text: str = ""

    @property
    def mergeable(self) -> Hashable:
        """Runs of neighbouring widths that agree in this are one exclusion."""
        return self.depths, self.limit, self.text


def sift(column: Column, budget: Budget, *, latency: Curve, dtype: str) -> tuple[Sequence[int], list[Run]]:
    """The depths of a column that fit, in order, and the others. dtype: F32, F16 or BF16, of the files."""

    def broken(depth: int) -> Cost | None:
        return next(
            (
                what
                for what in COSTS
                if (most := budget.most(what)) is not None and column.above(what, depth, int(most), dtype=dtype)
            ),
            None,
        )

    runs: list[Run] = []

    def leave_out(depths: Sequence[int], limit: Cost) -> None:
        least = min(column.cost(limit, depth, dtype=dtype) for depth in (depths[:1] if column.grows else depths))
        runs.append(Run(column.width, tuple(depths), limit, least))

    inside = column.depths
    if column.grows:
        cut = bisect_left(inside, True, key=lambda depth: broken(depth) is not None)
        if cut < len(inside) and (limit := broken(inside[cut])) is not None:
            leave_out(inside[cut:], limit)
        inside = inside[:cut]
    else:
        every = sorted([*column.depths, *column.refused])
        inside = []
        for (found, text), group in groupby(
            every, key=lambda d: (None, column.refused[d]) if d in column.refused else (broken(d), "")
        ):
            depths = list(group)
            if text:
                runs.append(Run(column.width, tuple(depths), "method", None, text))
            elif found:
                leave_out(depths, found)
            else:
                inside += depths
    if budget.max_latency_ms is None:
        return inside, runs
    return _slow(column.width, inside, budget.max_latency_ms, latency, runs)


def _slow(
    width: int, depths: Sequence[int], most: float, latency: Curve, runs: list[Run]
) -> tuple[Sequence[int], list[Run]]:
    """The depths measured or interpolated to be fast enough, and the runs with those that are not."""
    fast: list[int] = []
    values = {depth: latency.at(Size(depth, width)).value if depth in latency.depths else None for depth in depths}
    kinds: Callable[[int], str] = lambda d: "unknown" if (v := values[d]) is None else "above" if v > most else ""  # noqa: E731
    for kind, group in groupby(depths, key=kinds):
        found = tuple(group)
        if not kind:
            fast += found
        elif kind == "above":
            runs.append(Run(width, found, "latency_ms", min(v for d in found if (v := values[d]) is not None)))
        else:
            runs.append(Run(width, found, "latency_ms", None, UNMEASURED))
    return fast, runs


def exclusions(manifest: Manifest, runs: Sequence[Run], budget: Budget) -> list[Exclusion]:
    """Runs as exclusions: those of neighbouring widths that agree are one. runs: narrow widths first."""
    step = manifest.space.width.step
    merged: list[list[Run]] = []
    for run in runs:
        for group in merged:
            if group[-1].mergeable == run.mergeable and run.width - group[-1].width == step:
                group.append(run)
                break
        else:
            merged.append([run])
    return [_exclusion(manifest, group, budget) for group in merged]


def _exclusion(manifest: Manifest, runs: Sequence[Run], budget: Budget) -> Exclusion:
    first = runs[0]
    depths = _steps(first.depths, manifest.space.depth.step)
    widths = _steps([run.width for run in runs], manifest.space.width.step)
    sizes = len(first.depths) * len(runs)
    where = f"{_named('depth', depths)} at {_named('width', widths)}"
    why = first.text
    if not why:
        least = min(run.least for run in runs if run.least is not None)
        most = budget.most(first.limit)
        assert most is not None
        here, there = _amounts(least, most, first.limit)
        why = f"{here}{UNITS[first.limit]}{' or more' if sizes > 1 else ''}, above {there}"
    return Exclusion(manifest.reference, manifest.method, depths, widths, sizes, first.limit, f"{where}: {why}")


def _steps(values: Sequence[int], step: int) -> Steps:
    return Steps(values[0], values[-1], step if len(values) > 1 else 1)


def _named(what: str, steps: Steps) -> str:
    return f"{what}{'' if steps.first == steps.last else 's'} {steps}"


def _amounts(least: float, most: float, limit: Limit) -> tuple[str, str]:
    """Both in a few digits, or in all where a few would not tell them apart."""
    short = amount(least), amount(most)
    if short[0] != short[1]:
        return short
    return (f"{least:,}", f"{most:,}") if limit != "latency_ms" else (f"{least:.6g}", f"{most:.6g}")


def amount(value: float) -> str:
    """Three digits and K, M or G for thousands, millions and thousand millions."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if value >= size:
            return f"{value / size:.{2 if value < 10 * size else 1 if value < 100 * size else 0}f}{unit}"
    return f"{value:.3g}"

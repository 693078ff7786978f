"""What a tournament found: contestants ranked, as JSON values and as a page. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from learngenes.budget.curves import Estimate, measured
from learngenes.budget.intervals import student
from learngenes.gene import Quality
from learngenes.tournament.contestants import Excluded
from learngenes.tournament.job import TournamentJob


@dataclass(frozen=True, slots=True)
class Entry:
    """One contestant with one seed.

    stored: values in the learngene's file, with those of its parent. steps, seconds: of all training that made the
    learngene, the shared ancestor's apart; tuning_steps: of the descendant's.
    """

    contestant: str
    seed: int
    quality: Quality
    stored: int
    steps: int
    seconds: float
    tuning_steps: int


@dataclass(frozen=True, slots=True)
class Row:
    """A contestant over all seeds. behind: how far its accuracy is below the best one's, seed by seed.

    steps, seconds, tuning_steps: of one seed, the mean.
    """

    contestant: str
    top1: Estimate
    behind: float
    behind_low: float | None
    behind_high: float | None
    stored: int
    steps: float
    seconds: float
    tuning_steps: float
    seeds: dict[int, float]


def rank(entries: Sequence[Entry]) -> list[Row]:
    """The best mean accuracy first; of equals the one that stores less."""
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        by_name.setdefault(entry.contestant, []).append(entry)

    def mean(name: str) -> float:
        return fmean(entry.quality.value for entry in by_name[name])

    order = sorted(by_name, key=lambda name: (-mean(name), by_name[name][0].stored, name))
    best = by_name[order[0]]
    return [_row(name, by_name[name], best) for name in order]


def _row(name: str, entries: Sequence[Entry], best: Sequence[Entry]) -> Row:
    values = {entry.seed: entry.quality.value for entry in entries}
    apart = [entry.quality.value - values[entry.seed] for entry in best if entry.seed in values]
    low, high = student(apart) if len(set(apart)) > 1 else (None, None)
    return Row(
        contestant=name,
        top1=measured([entry.quality for entry in entries]),
        behind=fmean(apart),
        behind_low=low,
        behind_high=high,
        stored=max(entry.stored for entry in entries),
        steps=fmean(entry.steps for entry in entries),
        seconds=fmean(entry.seconds for entry in entries),
        tuning_steps=fmean(entry.tuning_steps for entry in entries),
        seeds=values,
    )


def as_table(
    job: TournamentJob,
    entries: Sequence[Entry],
    excluded: Sequence[Excluded],
    *,
    ancestor: dict[str, Any] | None,
    hardware: str,
) -> dict[str, Any]:
    """The report as JSON values. ancestor: what is known of the shared one, None without."""
    rows = [asdict(row) for row in rank(entries)]
    for row in rows:
        row["top1"] = {name: row["top1"][name] for name in ("value", "low", "high", "n")}
        row["seeds"] = {str(seed): value for seed, value in row["seeds"].items()}
    return {
        "depth": job.depth,
        "width": job.width,
        "train": job.data.train,
        "test": job.data.test,
        "epochs": job.training.epochs,
        "batch": job.training.batch,
        "tuning_epochs": job.tuning_epochs,
        "seeds": list(job.seeds),
        "rows": rows,
        "excluded": [asdict(one) for one in excluded],
        "ancestor": ancestor,
        "hardware": hardware,
    }


def page(report: dict[str, Any]) -> str:
    """The report in Markdown."""
    tuned = f"after {report['tuning_epochs']} epochs of tuning" if report["tuning_epochs"] else "untuned"
    ancestor = report["ancestor"]
    lines = [
        f"# Methods at depth {report['depth']}, width {report['width']}",
        "",
        f"Top-1 on {report['test']}, {tuned}, mean over seeds {', '.join(map(str, report['seeds']))}; in brackets the "
        f"95 % interval. Learned from {report['train']}: {report['epochs']} epochs in batches of {report['batch']} for "
        f"each network that a method trains.",
        "",
        "| | contestant | top-1 | behind the best | steps of learning | seconds | stored values | steps of tuning |",
        "|---:|---|---:|---:|---:|---:|---:|---:|",
        *(_line(place, row) for place, row in enumerate(report["rows"], 1)),
        "",
        "`behind the best` is the mean over the seeds of the difference, with its interval where the seeds differ.",
    ]
    if ancestor is not None:
        spent = f": {ancestor['steps']} steps, {ancestor['seconds']} seconds" if "steps" in ancestor else ""
        lines += ["", f"The ancestor, {ancestor['architecture']}, is shared and not counted above{spent}."]
    if report["excluded"]:
        lines += ["", "Not compared:", "", *(f"- {one['name']}: {one['reason']}" for one in report["excluded"])]
    return "\n".join([*lines, "", f"Measured on {report['hardware']}.", ""])


def _line(place: int, row: dict[str, Any]) -> str:
    top1 = row["top1"]
    behind = f"{100 * row['behind']:.2f}"
    if row["behind_low"] is not None:
        behind += f" ({100 * row['behind_low']:.2f} to {100 * row['behind_high']:.2f})"
    return (
        f"| {place} | {row['contestant']} "
        f"| {100 * top1['value']:.2f} % ({100 * top1['low']:.2f} to {100 * top1['high']:.2f}) "
        f"| {behind if place > 1 else ''} | {row['steps']:.0f} | {row['seconds']:.1f} | {row['stored']:,} "
        f"| {row['tuning_steps']:.0f} |"
    )

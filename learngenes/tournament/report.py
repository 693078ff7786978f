"""What a tournament found: contestants ranked, as JSON values and as a page. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from learngenes.budget.curves import Estimate, measured
from learngenes.budget.intervals import student
from learngenes.gene import Quality
from learngenes.tournament.contestants import Excluded
from learngenes.tournament.job import TournamentJob


@dataclass(frozen=True, slots=True)
class Effort:
    """What it took to make a learngene, the shared ancestor apart. None: it is not recorded.

    depth, width: of the network that it was learned in. steps, images: of all networks trained for it; an image counts
    whenever it is shown. fitting_steps, fitting_images: of fitting it to the size, 0 where nothing had to be. seconds:
    of both. conditions: of a learngene of the store, which was not learned under the tournament's.
    """

    depth: int
    width: int
    steps: int | None
    images: int | None
    fitting_steps: int | None
    fitting_images: int | None
    seconds: float | None
    conditions: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One contestant with one seed.

    stored: values in the learngene's file, with those of its parent. tuning_steps: of the descendant.
    """

    contestant: str
    seed: int
    quality: Quality
    stored: int
    effort: Effort
    tuning_steps: int


@dataclass(frozen=True, slots=True)
class Row:
    """A contestant over all seeds. behind: how far its accuracy is below the best one's, seed by seed.

    depth to conditions are as in Effort: of one seed, the mean; so are tuning_steps.
    """

    contestant: str
    top1: Estimate
    behind: float
    behind_low: float | None
    behind_high: float | None
    stored: int
    depth: int
    width: int
    steps: float | None
    images: float | None
    fitting_steps: float | None
    fitting_images: float | None
    seconds: float | None
    tuning_steps: float
    seeds: dict[int, float]
    conditions: dict[str, Any] | None


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
    first = entries[0].effort
    return Row(
        contestant=name,
        top1=measured([entry.quality for entry in entries]),
        behind=fmean(apart),
        behind_low=low,
        behind_high=high,
        stored=max(entry.stored for entry in entries),
        depth=first.depth,
        width=first.width,
        steps=_mean(entry.effort.steps for entry in entries),
        images=_mean(entry.effort.images for entry in entries),
        fitting_steps=_mean(entry.effort.fitting_steps for entry in entries),
        fitting_images=_mean(entry.effort.fitting_images for entry in entries),
        seconds=_mean(entry.effort.seconds for entry in entries),
        tuning_steps=fmean(entry.tuning_steps for entry in entries),
        seeds=values,
        conditions=first.conditions,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """None if one is missing."""
    known = list(values)
    return None if None in known else fmean(value for value in known if value is not None)


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
    ancestor, rows = report["ancestor"], report["rows"]
    lines = [
        f"# Methods at depth {report['depth']}, width {report['width']}",
        "",
        f"Top-1 on {report['test']}, {tuned}, mean over seeds {', '.join(map(str, report['seeds']))}; in brackets the "
        f"95 % interval. Learned from {report['train']}: {report['epochs']} epochs in batches of {report['batch']} for "
        f"every network that is trained. Some methods train several, some none, some learn at the very size compared, "
        f"and some are fitted to it as well: the columns say what each was given.",
        "",
        "| | contestant | learned at depth x width | top-1 | behind the best | steps of learning | images shown "
        "| steps of fitting | images shown | seconds | stored values | steps of tuning |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(_line(place, row) for place, row in enumerate(rows, 1)),
        "",
        "`behind the best` is the mean over the seeds of the difference, with its interval where the seeds differ. "
        "An image counts whenever it is shown.",
    ]
    if ancestor is not None:
        spent = ""
        if "steps" in ancestor:
            spent = f": {ancestor['steps']} steps, {ancestor['images']:,} images shown, {ancestor['seconds']} seconds"
        lines += ["", f"The ancestor, {ancestor['architecture']}, is shared and not counted above{spent}."]
    if of_store := [row for row in rows if row["conditions"] is not None]:
        lines += ["", "\\* Of the store, learned before and under its own conditions:", "", *map(_conditions, of_store)]
    if report["excluded"]:
        lines += ["", "Not compared:", "", *(f"- {one['name']}: {one['reason']}" for one in report["excluded"])]
    return "\n".join([*lines, "", f"Measured on {report['hardware']}.", ""])


def _line(place: int, row: dict[str, Any]) -> str:
    top1 = row["top1"]
    behind = f"{100 * row['behind']:.2f}"
    if row["behind_low"] is not None:
        behind += f" ({100 * row['behind_low']:.2f} to {100 * row['behind_high']:.2f})"
    mark = "" if row["conditions"] is None else " \\*"
    effort = (_number(row[name]) for name in ("steps", "images", "fitting_steps", "fitting_images"))
    return (
        f"| {place} | {row['contestant']}{mark} | {row['depth']} x {row['width']} "
        f"| {100 * top1['value']:.2f} % ({100 * top1['low']:.2f} to {100 * top1['high']:.2f}) "
        f"| {behind if place > 1 else ''} | {' | '.join(effort)} | {_number(row['seconds'], digits=1)} "
        f"| {row['stored']:,} | {row['tuning_steps']:.0f} |"
    )


def _number(value: float | None, *, digits: int = 0) -> str:
    return "not recorded" if value is None else f"{value:,.{digits}f}"


def _conditions(row: dict[str, Any]) -> str:
    """How a learngene of the store was learned, as its manifest says."""
    known = row["conditions"]
    names = {"train": "images", "train_n": "so many", "epochs": "epochs", "batch": "batch"}
    facts = (f"{what} {'not recorded' if known[name] is None else known[name]}" for name, what in names.items())
    return f"- {row['contestant']}: {', '.join(facts)}, ancestor {known['ancestor'] or 'none'}"

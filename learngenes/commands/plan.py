"""`learngenes plan`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from learngenes import recipe
from learngenes.arguments import amount
from learngenes.budget.curves import TOP1, Estimate
from learngenes.budget.ranking import Budget, Candidate, Ranking
from learngenes.budget.ranking import plan as best
from learngenes.commands import asking
from learngenes.descendant import document
from learngenes.errors import InvalidValue
from learngenes.ready import with_fitted

LIMITS = tuple(entry.name for entry in fields(Budget))
SIZE_WORDS = ("depth", "width", "num_classes", "order", "strategy", "layers", "option", "seed")
"""What names one descendant, where a budget finds one."""

NUMBERS = range(1, 6)
"""Columns of the table that hold numbers."""

SHOWN_EXCLUSIONS = 12
"""Reasons that the table shows; --json has them all."""


def arguments(command: argparse.ArgumentParser) -> None:
    """The words of a request, or those of a budget."""
    asking.arguments(command, optional=True)
    group = command.add_argument_group("a budget", "instead of a size: which learngene at which size is best within it")
    group.add_argument("--max-params", metavar="N", help="parameters, such as 24M")
    group.add_argument("--max-macs", metavar="N", help="multiply-adds of one image, such as 1.5G")
    group.add_argument("--max-bytes", metavar="N", help="of the file in --dtype, such as 60M")
    group.add_argument("--max-latency-ms", type=float, metavar="MS", help="of one image, where that was measured")
    group.add_argument("--dataset", help="whose measurements rank; the one measured most unless said")
    group.add_argument("--epochs", type=int, default=0, help="rank by accuracy after so many epochs of tuning; 0")
    group.add_argument("--limit", type=int, default=20, help="list so many of the best; 20")
    group.add_argument("--json", action="store_true", help="print the whole document, or the ranking with every reason")


def run(chosen: argparse.Namespace) -> int:
    """Print what a descendant would be, or with a --max option a ranking of the sizes that fit."""
    if any(getattr(chosen, name) is not None for name in LIMITS):
        return _rank(chosen)
    if chosen.learngene is None:
        raise InvalidValue("plan needs a learngene, such as `name`, or a budget, such as --max-params 24M")
    made, manifest, _ = asking.recipe(chosen)
    told = {"id": recipe.digest(made), **document(made, manifest)}
    print(json.dumps(told, indent=2) if chosen.json else summary(told))
    return 0


def summary(told: dict[str, Any]) -> str:
    """A descendant's document for people: --json has all of it."""
    size, report = told["size"], told["init_report"]
    shares = [f"{part['parameters']:,} {how}" for how, part in report.items() if how != "notes" and part["parameters"]]
    measured = [
        f"{100 * one['value']:.1f} % {one['metric']} of {one['n']:,} images of {one['dataset']} {one['split']}"
        + (f", after {one['epochs_after']} epochs of tuning" if one["epochs_after"] else ", untuned")
        for one in told["quality"]
        if one["metric"] == TOP1
    ]
    rows = [
        ("id", told["id"]),
        ("parameters", f"{told['params']:,} ({', '.join(shares)})"),
        ("macs", f"{told['macs']:,} multiply-adds"),
        ("accuracy", "; ".join(measured) or "not measured"),
        ("layer map", " ".join(map(str, told["layer_map"])) or "-"),
        ("license", told["license"] or "-"),
        *(("note", note) for note in report["notes"]),
    ]
    head = f"{told['learngene']} ({told['method']}), depth {size['depth']}, width {size['width']}, {told['dtype']}"
    return "\n".join([head, *(f"{name:12}{text}" for name, text in rows)])


def _rank(chosen: argparse.Namespace) -> int:
    if given := [name for name in SIZE_WORDS if getattr(chosen, name)]:
        words = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InvalidValue(f"{words} names one descendant, a budget finds one: leave out one of the two")
    limits = {name: getattr(chosen, name) for name in LIMITS if getattr(chosen, name) is not None}
    catalog = asking.learngenes(chosen)
    found = best(
        with_fitted(catalog, catalog.get(chosen.learngene)) if chosen.learngene else catalog.offered(),
        Budget(**{name: amount(value) if isinstance(value, str) else value for name, value in limits.items()}),
        dataset=chosen.dataset,
        epochs_after=chosen.epochs,
        dtype=chosen.dtype,
        limit=chosen.limit,
        fitted=catalog.fitted,
    )
    print(json.dumps(asdict(found), indent=2) if chosen.json else table(found))
    return 0


def table(ranking: Ranking) -> str:
    """The ranking for people: candidates in columns, then what is to be said of them, then why not the others."""
    head = ("learngene", "depth", "width", "parameters", "multiply-adds", "bytes", "accuracy", "latency")
    rows = [head, *(_row(candidate) for candidate in ranking.candidates)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = [_line(row, widths) for row in rows] if ranking.candidates else ["nothing fits"]
    if more := ranking.total - len(ranking.candidates):
        lines.append(f"and {more} more; of all {ranking.total} the accuracy of {ranking.unknown} is unknown")
    if ranking.dataset is not None:
        tuned = f"after {ranking.epochs_after} epochs of tuning" if ranking.epochs_after else "untuned"
        lines.append(f"accuracy: top-1 on {ranking.dataset} {ranking.split}, {tuned}, with its 95 % interval")
    lines += ranking.notes
    reasons = [f"not {exclusion.learngene}, {exclusion.reason}" for exclusion in ranking.exclusions]
    if len(reasons) > SHOWN_EXCLUSIONS:
        reasons[SHOWN_EXCLUSIONS:] = [f"and {len(reasons) - SHOWN_EXCLUSIONS} more reasons: --json has them"]
    return "\n".join([*lines, *reasons])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """One line, its numbers on the right of their columns."""
    cells = zip(row, widths, strict=True)
    return "  ".join(cell.rjust(w) if i in NUMBERS else cell.ljust(w) for i, (cell, w) in enumerate(cells)).rstrip()


def _row(candidate: Candidate) -> tuple[str, ...]:
    return (
        candidate.learngene,
        str(candidate.depth),
        str(candidate.width),
        f"{candidate.params:,}",
        f"{candidate.macs:,}",
        f"{candidate.bytes:,}",
        _accuracy(candidate.quality) + (", needs fitting first" if candidate.needs_learning else ""),
        "" if candidate.latency_ms is None else f"{candidate.latency_ms.value:.3g} ms, {candidate.latency_ms.kind}",
    )


def _accuracy(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "unknown"
    text = f"{100 * estimate.value:.1f} % ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"
    if estimate.kind == "measured":
        return text
    ends = " and ".join(f"{size.depth}x{size.width}" for size in estimate.between)
    return f"{text}, interpolated between {ends}"

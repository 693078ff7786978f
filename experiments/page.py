"""A table's page in Markdown, from its declaration and its results alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from experiments import claims
from experiments.claims import Verdict
from experiments.grid import Table
from experiments.results import Cell, Results
from experiments.statistics import Mean
from experiments.tasks import Learn, Measure, Task, Teach, measures, with_needs


def page(table: Table, results: Results) -> str:
    """The whole page."""
    verdicts = judged(table, results)
    parts = [
        f"# {table.title}",
        f"{table.about}",
        _method(table, results),
        *_shown(table, results),
        f"![{table.title}]({table.name}.svg)",
        *([_beside(table, results)] if any(row.paper for row in table.rows) else []),
        *(["## Verdicts", _verdicts(verdicts), claims_legend()] if verdicts else []),
        *([table.notes] if table.notes else []),
        *([_learned(table, results)] if any(results.learned.values()) else []),
        _provenance(table, results),
    ]
    return "\n\n".join(parts) + "\n"


def judged(table: Table, results: Results) -> list[Verdict]:
    """The verdicts on a table's claims."""
    return [claims.verdict(claims.parse(claim), results) for claim in table.claims]


def claims_legend() -> str:
    """How to read a verdict."""
    return (
        "Holds: at every size compared, and over the seeds with 95 % confidence, paired by seed; what is counted, such "
        "as epochs, has no interval. Holds weaker: on the whole, but not at every size or not surely. Does not hold: "
        "not on the whole, which need not be the other way. Of two figures the first is that of the row named first; "
        "the number after ± is half of a 95 % interval."
    )


def lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    made = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return "\n".join([*made, *(f"| {' | '.join(row)} |" for row in rows)])


def _method(table: Table, results: Results) -> str:
    """What was learned and measured, from the declaration."""
    needed = with_needs(measures(table))
    learned = [task for task in needed if isinstance(task, Learn)]
    measured = [task for task in needed if isinstance(task, Measure)]
    g = table.setting.geometry
    sizes = sorted({(task.job.geometry.width, task.job.geometry.heads) for task in learned})
    images = " or ".join(f"{n:,}" for n in sorted({cell.n for cell in results.cells}, reverse=True))
    parts = [
        f"{table.setting.title}: {g.image} px in patches of {g.patch}, ViTs learned at "
        f"{_either(f'width {width} with {heads} heads' for width, heads in sizes)}.",
        *(f"{what} {_either(recipes)}." for what, recipes in _recipes(needed).items()),
        f"Arithmetic in {_either(sorted({task.precision for task in measured}))}.",
        f"Percent top-1 on the {images} test images, mean of seeds {', '.join(results.seeds)} ± half of its 95 % "
        "interval.",
    ]
    return " ".join(parts)


def _recipes(needed: Sequence[Task]) -> dict[str, list[str]]:
    """How what a table needs was trained, each recipe once."""
    found: dict[str, dict[str, None]] = {}
    for task in needed:
        match task:
            case Teach() if task.options.training is not None:
                t = task.options.training
                found.setdefault(f"Ancestor: {task.options.architecture},", {})[_recipe(t.epochs, asdict(t))] = None
            case Learn() if task.job.training is not None:
                t = task.job.training
                found.setdefault("Learned for", {})[_recipe(t.epochs, asdict(t))] = None
            case Measure() if task.epochs:
                tuning = task.job(task.learn.name).tuning(task.epochs, width=task.width, fused_attention=False)
                how = "Trained for" if task.row.recipe == "learning" else "Tuned for"
                found.setdefault(how, {})[_recipe(task.epochs, asdict(tuning))] = None
    return {what: list(recipes) for what, recipes in found.items()}


def _recipe(epochs: float, training: dict[str, Any]) -> str:
    how = f"in batches of {training['batch']} (AdamW, cosine from {training['learning_rate']:g})"
    return f"{epochs:g} {'epoch' if epochs == 1 else 'epochs'} {how}"


def _either(texts: Iterable[str]) -> str:
    return " or ".join(texts)


def _shown(table: Table, results: Results) -> list[str]:
    match table.shown:
        case "by depth" | "by size":
            return [_by_size(results, by_depth=table.shown == "by depth")]
        case "rows":
            return [_rows(table, results)]
        case "curves":
            return [_curves(results)]


def _epochs(results: Results) -> list[int]:
    return sorted({cell.epochs for cell in results.cells})


def _by_size(results: Results, *, by_depth: bool) -> str:
    columns = list(dict.fromkeys((cell.row, cell.epochs) for cell in results.cells))
    found = {((cell.row, cell.epochs), (cell.width, cell.depth)): cell for cell in results.cells}
    body = []
    for width, depth in sorted({size for _, size in found}):
        values = [found.get((column, (width, depth))) for column in columns]
        name = str(depth) if by_depth else f"{depth} x {width}"
        body.append([name, *("" if cell is None else str(_value(cell)) for cell in values)])
    heads = [row if not epochs else f"{row}, {epochs} epochs" for row, epochs in columns]
    return lines(["depth" if by_depth else "depth x width", *heads], body)


def _rows(table: Table, results: Results) -> str:
    several = len(_epochs(results)) > 1
    learned = {row.name: results.learned.get(row.learngene, {}).values() for row in table.rows}
    body = []
    for row in results.rows:
        for cell in results.row(row):
            body.append(
                [row, f"{cell.depth} x {cell.width}", f"{cell.params:,}", _stored(learned[row])]
                + ([str(cell.epochs)] if several else [])
                + [str(_value(cell))]
            )
    heads = ["", "depth x width", "parameters", "stored values", *(["epochs after"] if several else []), "top-1"]
    return lines(heads, body)


def _curves(results: Results) -> str:
    longest = max((len(curve) for cell in results.cells for curve in cell.curves.values()), default=0)
    shown = sorted({1, 2, 3, 5, 10, 15, 20, 30, longest} & set(range(1, longest + 1)))
    body = []
    for cell in results.cells:
        untuned = [c for c in results.row(cell.row) if c.epochs == 0 and (c.depth, c.width) == (cell.depth, cell.width)]
        if not cell.curves:
            continue
        values = [
            str(Mean.of([curve[k - 1] for curve in cell.curves.values()]))
            if all(len(curve) >= k for curve in cell.curves.values())
            else ""
            for k in shown
        ]
        body.append([cell.row, f"{cell.depth} x {cell.width}", str(_value(untuned[0])) if untuned else "", *values])
    return lines(["start", "depth x width", "untuned", *(f"epoch {k}" for k in shown)], body)


def _beside(table: Table, results: Results) -> str:
    """Ours and the paper's, side by side, of the rows it has."""
    papers = {row.name: dict(zip(row.depths, row.paper, strict=True)) for row in table.rows if row.paper}
    ours = {name: {cell.depth: _mean(cell) for cell in results.row(name)} for name in papers if name in results.rows}
    depths = sorted({depth for name in ours for depth in papers[name]})
    body = [
        [str(depth)] + [text for name in ours for text in (ours[name].get(depth, ""), _paper(papers[name].get(depth)))]
        for depth in depths
    ]
    heads = ["depth", *(head for name in ours for head in (name, "the paper's"))]
    return "## Beside the paper\n\n" + lines(heads, body)


def _paper(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _verdicts(verdicts: Sequence[Verdict]) -> str:
    return lines(
        ["", "claim", "verdict", "here", "the paper", "why"],
        [[v.id, v.says, f"**{v.verdict}**", v.here, v.paper, v.why] for v in verdicts],
    )


def _learned(table: Table, results: Results) -> str:
    body = []
    for name, by_seed in results.learned.items():
        found = list(by_seed.values())
        rows = [row.name for row in table.rows if row.learngene == name]
        if not any("steps" in one or "stored" in one for one in found):
            continue
        body.append(
            [
                name,
                "; ".join(rows) or ("" if " fitted" in name else "an ancestor"),
                str(Mean.of([one["accuracy"] for one in found])) if all("accuracy" in one for one in found) else "",
                _stored(found),
                f"{found[0]['steps']:,}" if "steps" in found[0] else "",
                f"{fmean(one['seconds'] for one in found):,.0f}" if all("seconds" in one for one in found) else "",
            ]
        )
    heads = ["learned", "for", "top-1 of its own network", "stored values", "steps", "seconds"]
    told = "Seconds are those of the clock on a machine that may have done other work too; steps compare."
    return f"## What was learned\n\n{lines(heads, body)}\n\n{told}"


def _stored(found: Iterable[dict[str, Any]]) -> str:
    """Values that a learngene stores, the same for every seed."""
    return next((f"{one['stored']:,}" for one in found if "stored" in one), "")


def _provenance(table: Table, results: Results) -> str:
    made = [
        f"{results.seconds / 3600:.1f} hours of one core or GPU in all, each {'; '.join(results.hardware)}; "
        f"{'; '.join(results.versions)}; commit {', '.join(results.commits)}"
        + (" (+: with changes)." if any(commit.endswith("+") for commit in results.commits) else "."),
        f"Every number is in [{table.name}.json]({table.name}.json), what was asked in "
        f"[experiments/tables/{table.name}.toml](../../../experiments/tables/{table.name}.toml). Command:",
        f"```\n{results.command}\n```",
    ]
    if results.missing:
        made.insert(0, f"Not measured: {len(results.missing)}, such as {results.missing[0]}.")
    return "\n\n".join(made)


def _mean(cell: Cell) -> str:
    return f"{100 * fmean(cell.top1.values()):.1f}"


def _value(cell: Cell) -> Mean:
    return Mean.of(list(cell.top1.values()))

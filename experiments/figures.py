"""A table's picture: accuracy over depth or size, or over epochs, with 95 % intervals; a line for each row."""

from __future__ import annotations

import io
from collections.abc import Sequence
from statistics import fmean

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from experiments.grid import Table
from experiments.results import Cell, Results
from experiments.statistics import Mean
from learngenes.evaluation.plots import MARKERS, STYLE


def svg(table: Table, results: Results) -> bytes:
    """The picture; the same results give the same bytes."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        match table.shown:
            case "by depth" | "by size":
                _over_size(axes, results, by_depth=table.shown == "by depth")
            case "rows":
                _bars(axes, results)
            case "curves":
                _over_epochs(axes, results)
        axes.set_title(table.title, fontsize=9)
        axes.grid(alpha=0.3)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def _over_size(axes: Axes, results: Results, *, by_depth: bool) -> None:
    for i, row in enumerate(results.rows):
        cells = results.row(row)
        for epochs in sorted({cell.epochs for cell in cells}):
            shown = [cell for cell in cells if cell.epochs == epochs]
            xs = [cell.depth if by_depth else cell.params / 1e6 for cell in shown]
            means = [Mean.of(list(cell.top1.values())) for cell in shown]
            axes.errorbar(
                xs,
                [mean.value for mean in means],
                yerr=[_half(mean) for mean in means],
                color=f"C{i % 10}",
                marker=MARKERS[i % len(MARKERS)],
                markersize=4,
                capsize=2,
                linewidth=1 if by_depth else 0,
                label=row if len({cell.epochs for cell in cells}) == 1 else f"{row}, {epochs} epochs",
            )
    axes.set_xlabel("depth" if by_depth else "million parameters")
    axes.set_ylabel("top-1, %")
    axes.legend(fontsize=7)


def _bars(axes: Axes, results: Results) -> None:
    cells: Sequence[Cell] = results.cells
    means = [Mean.of(list(cell.top1.values())) for cell in cells]
    several = len({cell.epochs for cell in cells}) > 1
    names = [f"{cell.row}, {cell.epochs} epochs" if several else cell.row for cell in cells]
    at = list(range(len(cells), 0, -1))
    axes.barh(at, [mean.value for mean in means], xerr=[_half(mean) for mean in means], color="C0", capsize=2)
    axes.set_yticks(at, names, fontsize=7)
    axes.set_xlabel("top-1, %")


def _over_epochs(axes: Axes, results: Results) -> None:
    tuned = [cell for cell in results.cells if cell.curves]
    rows = list(dict.fromkeys(cell.row for cell in tuned))
    for cell in tuned:
        curves = list(cell.curves.values())
        length = min(map(len, curves))
        first = cell is next(other for other in tuned if other.row == cell.row)
        axes.plot(
            range(1, length + 1),
            [100 * fmean(curve[k] for curve in curves) for k in range(length)],
            color=f"C{rows.index(cell.row) % 10}",
            marker=MARKERS[rows.index(cell.row) % len(MARKERS)],
            markersize=3,
            linewidth=1,
            label=cell.row if first else None,
        )
    axes.set_xlabel("epochs of tuning")
    axes.set_ylabel("top-1, %")
    axes.legend(fontsize=7)


def _half(mean: Mean) -> float:
    return 0.0 if mean.interval is None else mean.interval[1] - mean.value

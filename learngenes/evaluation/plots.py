"""An evaluation as a picture: accuracy over size, a line for each width and each number of epochs, with intervals."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from learngenes.evaluation.tables import Row

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "learngenes",
    "svg.fonttype": "none",
    "font.size": 9,
    "font.family": "sans-serif",
}
"""Names inside the file follow from the salt, text stays text: the same rows give the same few kilobytes."""

MARKERS = "osD^vP*X"
"""One for each width, in order."""


def svg(rows: Sequence[Row], *, title: str) -> bytes:
    """The picture; over depth where all rows have one width, else over parameters."""
    widths = sorted({row.size.width for row in rows})
    epochs = sorted({k for row in rows for k in row.top1})
    by_depth = len(widths) == 1
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        for width, marker in zip(widths, MARKERS * len(widths), strict=False):
            for k in epochs:
                shown = [(row, row.top1[k]) for row in rows if row.size.width == width and k in row.top1]
                xs = [row.size.depth if by_depth else row.params / 1e6 for row, _ in shown]
                values = [100 * (estimate.value or 0.0) for _, estimate in shown]
                below = [v - 100 * (e.low or 0.0) for v, (_, e) in zip(values, shown, strict=True)]
                above = [100 * (e.high or 0.0) - v for v, (_, e) in zip(values, shown, strict=True)]
                tuned = "untuned" if not k else f"after {k} epoch{'' if k == 1 else 's'}"
                axes.errorbar(
                    xs,
                    values,
                    yerr=[below, above],
                    color=f"C{epochs.index(k)}",
                    marker=marker,
                    markersize=4,
                    capsize=2,
                    linewidth=1,
                    label=tuned if by_depth else f"width {width}, {tuned}",
                )
        axes.set_xlabel(f"depth (width {widths[0]})" if by_depth else "million parameters")
        axes.set_ylabel("top-1, %")
        axes.set_title(title)
        axes.grid(alpha=0.3)
        if rows and epochs:
            axes.legend()
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()

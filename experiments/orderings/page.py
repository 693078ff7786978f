"""docs/results/orderings.md from the measurements alone."""

from __future__ import annotations

from statistics import mean
from typing import Any

from experiments.orderings.found import Results
from experiments.orderings.verdicts import verdicts


def page(results: dict[str, Any]) -> str:
    """The whole page."""
    found = Results(results["seeds"])
    n = len(found.seeds)
    seconds = sum(cell["seconds"] for seed in found.seeds.values() for cell in seed.values())
    lines = [
        "# The papers' orderings at small scale",
        "",
        "Fashion-MNIST (60,000 training images, 10,000 test images, 10 classes: chance is 10 %), a ViT of width 64 "
        f"with 4 heads, 28 px in patches of 7. Seeds {', '.join(found.seeds)}; {results['hardware']}. "
        f"Measuring took {seconds / 60:.0f} minutes over all seeds, learning apart.",
        "",
        "Command: `python -m experiments.orderings --data data --run runs/orderings`. What is learned, how and for "
        "how long stands in experiments/orderings/setting.py: one recipe of 5 epochs for all. Every descendant went "
        "from learngene to recipe to bytes to timm. Percent top-1 on the test images, mean over the seeds, in brackets "
        "the smallest and the largest.",
        "",
        f"{n} seeds and 5 epochs order what lies far apart and nothing else: so few make no confidence interval. "
        "The papers trained base-size networks on ImageNet for 100 epochs; their figures stand in the last column of "
        "the verdicts.",
        "",
        "## Untuned, by depth",
        "",
        *_untuned(found),
        "",
        "## At half width, after 10 epochs on 6,000 images",
        "",
        *_halves(found),
        "",
        "## WAVE: scalers of a size, fitted and not",
        "",
        "Untuned; fitting is 200 steps of 128 images out of 6,000 with the templates frozen.",
        "",
        *_wave(found),
        "",
        "## Verdicts",
        "",
        "| claim | verdict | here | the paper's |",
        "|---|---|---|---|",
        *(f"| {claim} | {verdict} | {here} | {paper} |" for claim, verdict, here, paper in verdicts(found)),
        "",
    ]
    return "\n".join(lines)


def _untuned(found: Results) -> list[str]:
    rows = found.rows("untuned")
    depths = found.columns("untuned", rows[0])
    return [
        "| depth | " + " | ".join(rows) + " |",
        "|---|" + "---|" * len(rows),
        *(f"| {d} | " + " | ".join(f"{found.top1(f'untuned/{row}/{d}'):.1f}" for row in rows) + " |" for d in depths),
    ]


def _halves(found: Results) -> list[str]:
    lines = [
        "| start | untuned | after 1 epoch | after 10 epochs | epochs to scratch's best |",
        "|---|---|---|---|---|",
    ]
    best = [max(curve) for curve in found.each("half/scratch", "curve")]
    for start in found.rows("half"):
        cell = f"half/{start}"
        curves = found.each(cell, "curve")
        needed = [
            next((str(epoch) for epoch, value in enumerate(curve, 1) if value >= goal), "never")
            for curve, goal in zip(curves, best, strict=True)
        ]
        untuned, first = (100 * mean(values) for values in (found.each(cell, "untuned"), [c[0] for c in curves]))
        lines.append(f"| {start} | {untuned:.1f} | {first:.1f} | {found.show(cell)} | {', '.join(needed)} |")
    return lines


def _wave(found: Results) -> list[str]:
    sizes = found.rows("wave")
    kinds = found.columns("wave", sizes[0])
    return [
        "| depth x width | " + " | ".join(kinds) + " |",
        "|---|" + "---|" * len(kinds),
        *(f"| {size} | " + " | ".join(found.show(f"wave/{size}/{kind}") for kind in kinds) + " |" for size in sizes),
    ]

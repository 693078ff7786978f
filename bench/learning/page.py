"""What was measured as JSON and as a page. A run replaces the part of its device and leaves the other one."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.findings import Goal, combine
from bench.learning.cases import Case
from bench.learning.peak import Peak, step_flops
from bench.learning.turns import Turn

PLAIN = Goal(">=", 0.95)
"""Of a network without shared layers or a teacher: all that is left is what is ours around it."""
_COLUMNS = ("what", "ours to bare", "quartiles", "pairs", "goal", "", "images/s", "ms a step", "share of the peak")
_ABOUT = """\
`{command}` writes this page; the numbers for programs are in [learning-speed.json](learning-speed.json). Our loop
(`learngenes.training.loop.fit`: order, crop, flip and normalisation of every batch, seeds, schedule, events, whether
to stop) stands beside a bare loop of torch over the same timm network: AdamW (fused), the loss and autocast, over
batches that lie ready on the device in the layout of ours, and nothing else. Neither evaluates or saves meanwhile.
The two take turns in one process, a few steps each; a ratio is of two adjacent turns, 1 is as fast as the bare loop
and less is slower. Figures with a stroke are ours / bare, medians. A GPU is measured by the clock; a processor on one
core with one thread, by the seconds this process had of it, which others on the machine disturb less. Pairs while
others used more than a quarter of a core are unclean, and are dropped unless too few would be left. The share of the
peak counts the multiply-adds of the layers, three forward passes for a step and one for a teacher. SWS trains shared
layers in both loops."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One comparison; pairs of numbers are ours and the bare loop's."""

    what: str
    ratio: float
    quartiles: tuple[float, float]
    pairs: int
    said: str
    goal: float | None
    images_per_second: tuple[float, float]
    step_ms: tuple[float, float]
    share_of_peak: tuple[float, float]


def outcome(case: Case, turns: list[Turn], peak: Peak) -> Outcome:
    """Of the turns of a case."""
    ratio = combine([turn.pair for turn in turns])
    ours, bare = (statistics.median(values) for values in zip(*((t.ours, t.bare) for t in turns), strict=True))
    return Outcome(
        what=case.what,
        ratio=ratio.median,
        quartiles=ratio.quartiles,
        pairs=ratio.pairs,
        said=ratio.said(),
        goal=None if case.stages else PLAIN.limit,
        images_per_second=(case.batch / ours, case.batch / bare),
        step_ms=(1e3 * ours, 1e3 * bare),
        share_of_peak=(step_flops(case) / ours / peak.flops, step_flops(case) / bare / peak.flops),
    )


def write(folder: Path, parts: dict[str, dict[str, Any]]) -> list[Path]:
    """learning-speed.json and .md in folder. parts: by kind of device, see `part`; those of other devices stay."""
    folder.mkdir(parents=True, exist_ok=True)
    data, page = folder / "learning-speed.json", folder / "learning-speed.md"
    known = json.loads(data.read_text("utf-8")) if data.exists() else {}
    data.write_text(json.dumps(known | parts, indent=2) + "\n", "utf-8")
    page.write_text(markdown(known | parts), "utf-8")
    return [data, page]


def part(command: str, facts: dict[str, str], outcomes: list[Outcome]) -> dict[str, Any]:
    """What is kept of one device."""
    return {"command": command, "facts": facts, "outcomes": [asdict(one) for one in outcomes]}


def markdown(parts: dict[str, dict[str, Any]]) -> str:
    """The page of all parts."""
    lines = ["# Learning speed", "", _ABOUT.format(command="python -m bench.learning")]
    for kind, found in sorted(parts.items()):
        lines += ["", f"## On a {kind}", "", *(f"* {name}: {value}" for name, value in found["facts"].items()), ""]
        lines += ["| " + " | ".join(_COLUMNS) + " |", "|---" * len(_COLUMNS) + "|"]
        lines += ["| " + " | ".join(_cells(one)) + " |" for one in found["outcomes"]]
        lines += [f"\n{one['what']}: {one['said']}." for one in found["outcomes"] if one["said"]]
    if "gpu" not in parts:
        lines += [
            "",
            "## On a GPU",
            "",
            "Not measured: none was at hand. `python -m bench.learning --only gpu` adds it.",
        ]
    return "\n".join(lines) + "\n"


def _cells(one: dict[str, Any]) -> tuple[str, ...]:
    goal = one["goal"]
    return (
        one["what"],
        f"{one['ratio']:.3f}",
        f"{one['quartiles'][0]:.3f}–{one['quartiles'][1]:.3f}",
        str(one["pairs"]),
        "" if goal is None else f"≥ {goal:g}",
        "" if goal is None else "met" if one["ratio"] >= goal else "NOT met",
        " / ".join(f"{value:,.0f}" for value in one["images_per_second"]),
        " / ".join(f"{value:.1f}" for value in one["step_ms"]),
        " / ".join(f"{value:.1%}" for value in one["share_of_peak"]),
    )

"""The table: on the terminal, as Markdown, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.findings import Finding, Section

_COLUMNS = ("what", "measured", "quartiles", "n", "goal", "", "to read it by")


def text(sections: Sequence[Section], facts: dict[str, str]) -> str:
    """For the terminal."""
    lines = [f"{name}: {value}" for name, value in facts.items()]
    for section in sections:
        lines += ["", section.title]
        for finding in section.findings:
            what, measured, quartiles, _, goal, verdict, note = _cells(finding)
            lines.append(f"  {what:<66} {measured:>10} {quartiles:>13}  {goal:<8} {verdict:<7}  {note}")
    return "\n".join(lines)


def markdown(sections: Sequence[Section], facts: dict[str, str], *, command: str) -> str:
    """The page in docs/results."""
    lines = [
        "# Streaming, as ratios",
        "",
        f"`{command}` writes this page; the numbers for programs are in [streaming.json](streaming.json). "
        "Figures of one machine mean little on another: read the ratios. Absolute figures stand beside them for that "
        "only. A pair of samples is unclean if other processes used more than a quarter of a core meanwhile, or if the "
        "host had moved our cores away from their common cache (`bench/distance.py`); unclean pairs are dropped unless "
        "too few would be left. Before anything is measured, every server's bytes are compared by sha256.",
        "",
        goals(sections),
        "",
        *(f"* {name}: {value}" for name, value in facts.items()),
    ]
    for section in sections:
        lines += ["", f"## {section.title}", "", section.method, ""]
        lines += ["| " + " | ".join(_COLUMNS) + " |", "|---" * len(_COLUMNS) + "|"]
        lines += ["| " + " | ".join(_cells(finding)) + " |" for finding in section.findings]
    return "\n".join(lines) + "\n"


def goals(sections: Sequence[Section]) -> str:
    """One sentence: how many goals there are, and which are not met."""
    judged = [finding for section in sections for finding in section.findings if finding.goal]
    missed = [finding.what for finding in judged if finding.verdict == "NOT met"]
    return f"{len(judged) - len(missed)} of {len(judged)} goals met" + (
        f"; not met: {'; '.join(missed)}." if missed else "."
    )


def write(folder: Path, sections: Sequence[Section], facts: dict[str, str], *, command: str) -> list[Path]:
    """streaming.md and streaming.json in folder; returns their paths."""
    table: dict[str, Any] = {
        "command": command,
        "facts": facts,
        "sections": {section.title: [finding.to_json() for finding in section.findings] for section in sections},
    }
    page, data = folder / "streaming.md", folder / "streaming.json"
    folder.mkdir(parents=True, exist_ok=True)
    page.write_text(markdown(sections, facts, command=command))
    data.write_text(json.dumps(table, indent=2) + "\n")
    return [page, data]


def _cells(finding: Finding) -> tuple[str, ...]:
    quartiles = "" if finding.quartiles is None else "–".join(_number(value) for value in finding.quartiles)
    goal = "" if finding.goal is None else f"{'≥' if finding.goal.sign == '>=' else '≤'} {finding.goal.limit:g}"
    unit = finding.unit if finding.unit == "x" else f" {finding.unit}"
    return (
        finding.what,
        _number(finding.value) + unit,
        quartiles,
        str(finding.samples),
        goal,
        finding.verdict,
        finding.note,
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"

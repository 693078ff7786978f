"""Which of the papers' orderings hold: every verdict is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from experiments.orderings.found import Results

Verdict = tuple[str, str, str, str]
"""Claim, verdict, what was measured, the paper's figure."""


def verdicts(found: Results) -> list[Verdict]:
    """Claim, verdict, what was measured, the paper's figure; O1 to O11 as in the list we set out to reproduce."""
    rows, depths = found.rows("untuned"), [int(d) for d in found.columns("untuned", "SWS")]
    table = {row: {d: found.top1(f"untuned/{row}/{d}") for d in depths} for row in rows}
    low = [d for d in depths if d <= 12]
    made = [
        _pairs("O1 SWS > TLEG, depth <= 12", table, low, "SWS", "TLEG", "59.9 to 39.9 at 6, 79.3 to 76.6 at 12"),
        _pairs(
            "O1 TLEG > first N, depth <= 12",
            table,
            low,
            "TLEG",
            "first N of 16",
            "39.9 to 3.3 at 6, 76.6 to 69.9 at 12",
        ),
        _pairs("O1 first N > Vanilla-LG", table, low, "first N of 16", "Vanilla-LG", "3.3 to 0.1 at 6"),
        _rule(
            "O1 Vanilla-LG is near chance (10 %)",
            [d for d in depths if table["Vanilla-LG"][d] > 20],
            "at",
            f"up to {max(table['Vanilla-LG'].values()):.1f}",
            "0.1 of 1000 classes",
        ),
        _rule(
            "O2 SWS does not fall as depth grows, up to 16",
            [b for a, b in pairwise(depths) if table["SWS"][b] < table["SWS"][a]],
            "falls at",
            f"{table['SWS'][6]:.1f} at 6, {table['SWS'][16]:.1f} at 16",
            "59.9 at 6, 80.5 at 15",
        ),
        _rule(
            "O2 first N rises steeply towards 16",
            [] if table["first N of 16"][16] > table["first N of 16"][6] + 10 else [6],
            "flat from",
            f"{table['first N of 16'][6]:.1f} at 6, {table['first N of 16'][15]:.1f} at 15",
            "3.3 at 6, 79.3 at 15",
        ),
        _peak("O2 TLEG peaks near its own depth of 12, then sags", table["TLEG"]),
        _rule(
            "O3 Simple-LG falls as depth grows",
            [b for a, b in pairwise(depths) if table["Simple-LG"][b] > table["Simple-LG"][a]],
            "rises at",
            f"{table['Simple-LG'][6]:.1f} at 6, {table['Simple-LG'][12]:.1f} at 12",
            "66.5 at 8, 52.5 at 12",
        ),
        _grows(table),
        _pairs(
            "O4 cyclic >= random assignment",
            table,
            low,
            "SWS",
            "SWS, random",
            "68.5 to 50.5 at 7, 79.3 to 75.2 at 12",
            equal=True,
        ),
        _rule(
            "O4 orders 1 and 2 are one network at 10 and 11",
            [d for d in (10, 11) if found.each(f"untuned/SWS/{d}") != found.each(f"untuned/SWS, order 2/{d}")],
            "differ at",
            "equal to the last image at 10 and 11",
            "78.0 = 78.0, 78.9 = 78.9",
        ),
    ]
    return made + _half_verdicts(found) + _wave_verdicts(found)


def _half_verdicts(found: Results) -> list[Verdict]:
    def pair(claim: str, better: str, worse: str, paper: str) -> Verdict:
        return _order(claim, found, f"half/{better}", f"half/{worse}", paper)

    uniform, consecutive = found.top1("half/selection, uniform"), found.top1("half/selection, consecutive")
    near = abs(uniform - consecutive) <= 1
    return [
        pair("O9 selection > random init, little data", "selection, uniform", "scratch", "81.4 to 72.4"),
        pair("O9 consistent > inconsistent", "selection, random", "selection, inconsistent", "81.4 to 77.4"),
        (
            "O9 uniform is about consecutive",
            "holds" if near else "does not hold",
            f"{uniform:.1f} and {consecutive:.1f}",
            "81.4 and 81.6",
        ),
        pair("O10 by importance > unordered", "subcloning", "subcloning, unordered", "curves only"),
        pair("O10 unordered > random init", "subcloning, unordered", "scratch", "curves only"),
        pair("O10 scaled > unscaled", "subcloning", "subcloning, unscaled", "curves only"),
        pair("O10 unscaled > random init", "subcloning, unscaled", "scratch", "curves only"),
    ]


def _wave_verdicts(found: Results) -> list[Verdict]:
    made = []
    for size in found.rows("wave"):
        for claim, better, worse in (
            ("fitted scalers > interpolated", "fitted from interp", "interp"),
            ("interpolated > random", "interp", "random"),
            ("fitted from interpolated > fitted from random", "fitted from interp", "fitted from random"),
        ):
            made.append(
                _order(f"O11 {claim}, {size}", found, f"wave/{size}/{better}", f"wave/{size}/{worse}", "not published")
            )
    return made


def _order(claim: str, found: Results, better: str, worse: str, paper: str) -> Verdict:
    """Whether one cell beats another, in the mean and in every seed."""
    each = [a > b for a, b in zip(found.each(better), found.each(worse), strict=True)]
    holds = found.top1(better) > found.top1(worse)
    verdict = "holds" if all(each) else "holds in the mean, not in every seed" if holds else "does not hold"
    return claim, verdict, f"{found.top1(better):.1f} to {found.top1(worse):.1f}", paper


def _pairs(
    claim: str,
    table: dict[str, dict[int, float]],
    depths: Sequence[int],
    better: str,
    worse: str,
    paper: str,
    *,
    equal: bool = False,
) -> Verdict:
    """Whether one row beats another at every depth."""
    beats: Callable[[float, float], bool] = (lambda a, b: a >= b) if equal else (lambda a, b: a > b)
    lost = [d for d in depths if not beats(table[better][d], table[worse][d])]
    first, last = depths[0], depths[-1]
    here = "; ".join(f"{table[better][d]:.1f} to {table[worse][d]:.1f} at {d}" for d in (first, last))
    return _rule(claim, lost, "not at", here, paper, of=len(depths))


def _rule(claim: str, lost: Sequence[int], how: str, here: str, paper: str, *, of: int = 0) -> Verdict:
    if not lost:
        return claim, "holds", here, paper
    verdict = "does not hold" if of and len(lost) == of else f"{how} {', '.join(map(str, lost))}"
    return claim, verdict, here, paper


def _peak(claim: str, row: dict[int, float]) -> Verdict:
    top = max(row, key=row.__getitem__)
    verdict = "holds" if 11 <= top <= 14 else f"peaks at {top}"
    return claim, verdict, f"{row[top]:.1f} at {top}, {row[max(row)]:.1f} at {max(row)}", "76.7 at 13, 76.0 at 15"


def _grows(table: dict[str, dict[int, float]]) -> Verdict:
    gaps = {d: table["SWS"][d] - table["Simple-LG"][d] for d in (8, 12)}
    verdict = "holds" if gaps[12] > gaps[8] > 0 else "does not hold"
    return (
        "O3 the gap of SWS to Simple-LG grows",
        verdict,
        f"{gaps[8]:.1f} at 8, {gaps[12]:.1f} at 12",
        "7.9 at 8, 26.8 at 12",
    )

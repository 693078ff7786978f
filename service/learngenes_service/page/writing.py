"""Numbers and sizes in the words of the page."""

from __future__ import annotations

from learngenes.budget.curves import Estimate
from learngenes.sizes import Steps

NARROW = "\N{NO-BREAK SPACE}"
"""Between a number and its unit, which stay on one line."""

_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def amount(value: float) -> str:
    """16.1 M, 258 M, 12: three digits that count."""
    for size, letter in _STEPS:
        if value >= size * 0.9995:
            return f"{_digits(value / size)}{NARROW}{letter}"
    return _digits(value)


def size(bytes: float) -> str:
    """64.4 MB; decimal, as disks and networks count."""
    text = amount(bytes)
    return f"{text}B" if text[-1].isalpha() else f"{text}{NARROW}B"


def percent(share: float | None) -> str:
    """27.4 %, of a share of 1."""
    return "" if share is None else f"{100 * share:.1f}{NARROW}%"


def hundredths(share: float) -> str:
    """0.25 %: a mark of an axis, with as many digits as its step has."""
    return f"{round(100 * share, 9):g}{NARROW}%"


def part(hundredths: float) -> str:
    """27.4 %, of a share of 100; what is there is never shown as nothing."""
    if 0 < hundredths < 0.05:
        return f"<{NARROW}0.1{NARROW}%"
    return f">{NARROW}99.9{NARROW}%" if 99.95 <= hundredths < 100 else f"{hundredths:.1f}{NARROW}%"


def interval(estimate: Estimate) -> str:
    """26.5 to 28.3 %: the 95 % interval, if there is one."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}{NARROW}%"


def steps(given: Steps) -> str:
    """1–512, or 64–384 by 64."""
    if given.first == given.last:
        return str(given.first)
    return f"{given.first}–{given.last}" + (f" by {given.step}" if given.step > 1 else "")


def sentence(text: str) -> str:
    """As one: a capital first, unless a name is, and a full stop last."""
    plain = text.partition(" ")[0].rstrip(",:;").isalpha()
    return (text[:1].upper() + text[1:] if plain else text) + ("" if text[-1:] in ".?!" else ".")


def seconds(value: float) -> str:
    """45 s, 12 min, 1.5 h."""
    if value < 90:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"


def shape(given: tuple[int, ...]) -> str:
    """1152 × 384."""
    return " × ".join(map(str, given)) or "scalar"


def _digits(value: float) -> str:
    if value >= 99.95 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"

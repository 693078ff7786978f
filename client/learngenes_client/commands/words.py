"""How lists, options, large numbers and spans of time are written on the command line."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def integers(text: str) -> tuple[int, ...]:
    """`0,0,1`."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"whole numbers with commas between, got {text!r}") from None


def numbers(text: str) -> tuple[float, ...]:
    """`0.5,0.5,0.5`."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"numbers with commas between, got {text!r}") from None


def order(text: str) -> str | tuple[int, ...]:
    """A name, or stages by number."""
    return integers(text) if text[:1].isdigit() else text


def labels(text: str) -> tuple[str, ...]:
    """`cat,dog`, or `@FILE` with one a line."""
    if not text.startswith("@"):
        return tuple(text.split(","))
    try:
        return tuple(line for line in Path(text[1:]).read_text("utf-8").splitlines() if line)
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"can't read class names from {text[1:]!r}: {error}") from None


def option(text: str) -> tuple[str, Any]:
    """`scale=none`, `grow=[1,2]`: what is not JSON is a word."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"an option is written NAME=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def count(text: str) -> int:
    """`12M`, `1.5G`, `300k` or plain digits."""
    factor = {"k": 10**3, "M": 10**6, "G": 10**9}.get(text[-1:], 1)
    try:
        return round(float(text if factor == 1 else text[:-1]) * factor)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"a number such as 300k, 12M or 1.5G, got {text!r}") from None


def seconds(text: str) -> float:
    """`30d`, `12h`, `90s` or plain seconds."""
    factor = SPANS.get(text[-1:], 0)
    try:
        value = float(text[:-1] if factor else text) * (factor or 1)
    except ValueError:
        value = -1
    if not 0 <= value < 10**10:
        raise argparse.ArgumentTypeError(f"a span of time such as 30d, 12h or 90s, got {text!r}")
    return value

"""The words of the command line that several commands share, and how lists of numbers are written."""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from learngenes.errors import InvalidValue

STORE = "a directory, or s3://, gs:// or az://bucket/prefix"
"""What may name a store."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command: arguments adds its words to its parser; run, whose docstring is its help, gives its exit status."""

    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def parser(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """The parser of these commands; it leaves the chosen one in `run_command`."""
    top = argparse.ArgumentParser(
        prog="learngenes",
        description="Name a size; get a Vision Transformer checkpoint that already knows something.",
        epilog="also: learngenes fetch, push, yank, unyank (the client), serve (the service), worker (for its jobs)",
    )
    parsers = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in commands.items():
        text = command.run.__doc__
        assert text
        own = parsers.add_parser(name, help=text.partition(";")[0].partition(":")[0], description=text)
        own.set_defaults(run_command=command.run)
        command.arguments(own)
    return top


def add_data(command: argparse.ArgumentParser) -> None:
    """Where images are looked for."""
    command.add_argument(
        "--data", type=Path, default=Path("data"), metavar="DIR", help="where relative paths of data sets start"
    )


def add_learngene(command: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """Which learngene, and where it lies."""
    command.add_argument(
        "learngene", nargs="?" if optional else None, metavar="LEARNGENE", help="`name` or `name@version`"
    )
    command.add_argument("--store", metavar="STORE", help=f"its store: {STORE}; without one, the learngenes that ship")
    command.add_argument("--allow-yanked", action="store_true", help="take a version that was taken back as well")


def add_options(command: argparse.ArgumentParser) -> None:
    """The method's own options."""
    command.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the learngene's method, such as scalers=interp; may be given several times",
    )


def options_of(chosen: argparse.Namespace) -> dict[str, Any]:
    """The method's options by name; values as TOML writes them, and what is no TOML is a text."""
    options: dict[str, Any] = {}
    for text in chosen.option:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidValue(f"{text!r} is no option; write its name, '=' and its value")
        try:
            options[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[name] = value
    return options


def numbers(text: str) -> list[int]:
    """`6-16` or `6,9,12` as a list."""
    try:
        first, dash, last = text.partition("-")
        numbers = list(range(int(first), int(last) + 1)) if dash else [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers:
        raise InvalidValue(f"{text!r} is no list of numbers; write 6-16 or 6,9,12")
    return numbers


def amount(text: str) -> int:
    """`24000000`, `24M` or `1.5G` as a whole number; K, M and G are thousands, millions and thousand millions."""
    written = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)([KMG]?)", text, re.ASCII | re.IGNORECASE)
    exact = Fraction(0)
    if written:
        exact = Fraction(written[1]) * {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}[written[2].upper()]
    if exact < 1 or exact.denominator != 1:
        raise InvalidValue(f"{text!r} is no whole number above 0; write 24000000, 24M or 1.5G")
    return exact.numerator

"""The words of the command line: commands, their arguments, and how lists of numbers are written."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from learngenes.errors import InvalidValue
from learngenes.recipe import DTYPES

Run = Callable[[argparse.Namespace], int]


def parser(runs: Mapping[str, Run]) -> argparse.ArgumentParser:
    """The parser of these commands, whose docstrings are their help; it leaves the chosen one in `run_command`."""
    top = argparse.ArgumentParser(
        prog="learngenes",
        description="Name a size; get a Vision Transformer checkpoint that already knows something.",
        epilog="also: learngenes fetch (the client), learngenes serve (the service)",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str) -> argparse.ArgumentParser:
        run = runs[name]
        assert run.__doc__
        command = commands.add_parser(
            name, help=run.__doc__.partition(";")[0].partition(":")[0], description=run.__doc__
        )
        command.set_defaults(run_command=run)
        return command

    command = add("learn")
    command.add_argument("config", type=Path, metavar="CONFIG", help="a TOML file, see configs/")
    command.add_argument("--run", type=Path, required=True, metavar="DIR", help="checkpoints, events and the result")
    _add_data(command)
    command.add_argument("--store", type=Path, metavar="DIR", help="publish what was learned in this store")
    command.add_argument("--dtype", choices=DTYPES, default="f32", help="what the learngene is stored in")
    command.add_argument("--measure", metavar="DEPTHS", help="depths to measure and write into the manifest, e.g. 6-16")

    for name in ("plan", "build"):
        command = add(name)
        _add_learngene(command)
        command.add_argument("--depth", type=int, help="number of blocks")
        command.add_argument("--width", type=int, help="embedding dimension")
        command.add_argument("--num-classes", type=int, help="another number than the learngene's gets a fresh head")
        command.add_argument("--dtype", choices=DTYPES, default="f32")
        command.add_argument("--seed", type=int, default=0, help="of all fresh and drawn values")
        command.add_argument("--order", help="front-mid-last, front-last-mid, or the stages such as 0,4,1,3,2")
        command.add_argument("--strategy", help="cyclic, random, proportional or interleave")
        command.add_argument("--layers", help="the stage of every block, such as 0,0,1,2")
        if name == "build":
            command.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the files go")

    command = add("evaluate")
    _add_learngene(command)
    command.add_argument("--test", required=True, metavar="IMAGES", help="parquet:FILE, folder:DIR or digits:test")
    _add_data(command)
    command.add_argument("--depths", default="6-16", help="such as 6-16 or 6,9,12")
    command.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="of the arithmetic")
    return top


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data", type=Path, default=Path("data"), metavar="DIR", help="where relative paths of data sets start"
    )


def _add_learngene(command: argparse.ArgumentParser) -> None:
    command.add_argument("learngene", metavar="LEARNGENE", help="`name` or `name@version`")
    command.add_argument("--store", type=Path, metavar="DIR", help="its store; without one, the learngenes that ship")


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

"""The words of the command line: commands, their arguments, and how lists, options and large numbers are written."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from learngenes_client.client import Client

VARIABLE = "LEARNGENES_URL"
DEFAULT_URL = "http://127.0.0.1:8000"
DESCRIPTION = "Fetches a Vision Transformer checkpoint of the size you name."

SIZE = ("depth", "width", "num_classes", "labels", "img_size", "patch_size", "in_chans", "pool")
REQUEST = (*SIZE, "learngene", "method", "dtype", "order", "strategy", "layers", "seed", "keys")
"""Arguments of `fetch` and `describe` that the client takes by the same names; `options` comes from --option."""

LIMITS = ("max_params", "max_macs", "max_bytes", "max_latency_ms")
BUDGET = (*LIMITS, "dataset", "epochs_after", "learngene", "method", "dtype", "limit")
"""Arguments of `plan`, likewise."""

Run = Callable[[Client, argparse.Namespace], None]


def parser(runs: Mapping[str, Run]) -> argparse.ArgumentParser:
    """The parser of these commands; it leaves what to run in `run`."""
    service = argparse.ArgumentParser(add_help=False)
    service.add_argument("--url", help=f"the service; else ${VARIABLE}, else {DEFAULT_URL}")
    service.add_argument("--cache", type=Path, help="the cache folder; else $LEARNGENES_CACHE")
    service.add_argument("--json", action="store_true", help="print JSON")
    source = argparse.ArgumentParser(add_help=False)
    source.add_argument("--learngene", metavar="NAME[@VERSION]", help="what to build it from")
    source.add_argument("--method", help="how to build it")
    source.add_argument("--dtype", metavar="f32|f16|bf16", help="type of the tensors")
    wanted = _wanted()

    parser = argparse.ArgumentParser(prog="learngenes-client", description=DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("fetch", parents=[service, source, wanted], help="fetch it and print its path")
    command.add_argument("--out", type=Path, metavar="FILE", help="put a copy of the checkpoint there")
    command.set_defaults(run=runs["fetch"])
    command = commands.add_parser("describe", parents=[service, source, wanted], help="say what would be fetched")
    command.set_defaults(run=runs["describe"])
    command = commands.add_parser("plan", parents=[service, source], help="say which sizes fit a budget, best first")
    command.add_argument("--max-params", type=_count, metavar="12M", help="parameters")
    command.add_argument("--max-macs", type=_count, metavar="1.5G", help="multiply-adds of one image")
    command.add_argument("--max-bytes", type=_count, metavar="25M", help="bytes of the checkpoint")
    command.add_argument("--max-latency-ms", type=float, metavar="5", help="milliseconds of one image")
    command.add_argument("--dataset", help="whose measurements rank; else the one measured most")
    command.add_argument("--epochs-after", type=int, help="of training after initialization; else 0, untuned")
    command.add_argument("--limit", type=int, help="list so many of the best")
    command.set_defaults(run=runs["plan"])
    command = commands.add_parser("learngenes", parents=[service], help="list what can be built from")
    command.add_argument("name", nargs="?", metavar="NAME[@VERSION]", help="only this one")
    command.set_defaults(run=runs["learngenes"])
    command = commands.add_parser("methods", parents=[service], help="list ways to build, and their options")
    command.set_defaults(run=runs["methods"])
    return parser


def _wanted() -> argparse.ArgumentParser:
    wanted = argparse.ArgumentParser(add_help=False)
    wanted.add_argument("--depth", type=int, help="number of blocks")
    wanted.add_argument("--width", type=int, help="embedding dimension")
    wanted.add_argument("--num-classes", type=int, help="another than the learngene's gets a fresh head")
    wanted.add_argument(
        "--labels", type=_labels, metavar="A,B|@FILE", help="class names, in a file one a line; known rows are kept"
    )
    wanted.add_argument("--img-size", type=int, metavar="PIXELS", help="side of an image")
    wanted.add_argument("--patch-size", type=int, metavar="PIXELS", help="side of a patch")
    wanted.add_argument("--in-chans", type=int, metavar="COUNT", help="channels of an image")
    wanted.add_argument("--pool", metavar="token|avg", help="what the head sees: the class token or the average")
    wanted.add_argument("--order", type=_order, metavar="NAME|0,4,1", help="which stages get extra blocks first")
    wanted.add_argument("--strategy", metavar="cyclic|random|proportional|interleave", help="how blocks are dealt")
    wanted.add_argument("--layers", type=_integers, metavar="0,0,1", help="the stage of every block, outright")
    wanted.add_argument(
        "--option", type=_option, action="append", metavar="NAME=VALUE", help="of the method, see methods"
    )
    wanted.add_argument("--seed", type=int, help="for tensors made fresh or drawn")
    wanted.add_argument("--keys", metavar="timm", help="whose tensor names to use")
    return wanted


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"whole numbers with commas between, got {text!r}") from None


def _order(text: str) -> str | tuple[int, ...]:
    return _integers(text) if text[:1].isdigit() else text


def _labels(text: str) -> tuple[str, ...]:
    if not text.startswith("@"):
        return tuple(text.split(","))
    try:
        return tuple(line for line in Path(text[1:]).read_text("utf-8").splitlines() if line)
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"can't read class names from {text[1:]!r}: {error}") from None


def _option(text: str) -> tuple[str, Any]:
    """`scale=none`, `grow=[1,2]`: what is not JSON is a word."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"an option is written NAME=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _count(text: str) -> int:
    """`12M`, `1.5G`, `300k` or plain digits."""
    factor = {"k": 10**3, "M": 10**6, "G": 10**9}.get(text[-1:], 1)
    try:
        return round(float(text if factor == 1 else text[:-1]) * factor)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"a number such as 300k, 12M or 1.5G, got {text!r}") from None

"""What every command shares: options that say which service, the client that is made of them, what is printed."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learngenes_client.client import Client
from learngenes_client.errors import InvalidArgument

VARIABLE = "LEARNGENES_URL"
DEFAULT_URL = "http://127.0.0.1:8000"

Run = Callable[[argparse.Namespace], int]
"""Runs a command; its exit status."""

DONE, NO, WRONG, NOT_CACHED, DAMAGED, JOB_FAILED, STOPPED = 0, 1, 2, 3, 4, 5, 130
"""Exit statuses; cli.py says what they mean."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command. add: its arguments to its parser; run: does it, None if its subcommands do."""

    help: str
    add: Callable[[argparse.ArgumentParser], None]
    run: Run | None


def add_json(parser: argparse.ArgumentParser) -> None:
    """Every command can print JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_cache(parser: argparse.ArgumentParser) -> None:
    """Where the cache is."""
    parser.add_argument("--cache", type=Path, help="the cache folder; else $LEARNGENES_CACHE")


def add_service(parser: argparse.ArgumentParser) -> None:
    """Which service is asked, and how."""
    parser.add_argument("--url", help=f"the service; else ${VARIABLE}, else {DEFAULT_URL}")
    add_cache(parser)
    parser.add_argument(
        "--offline",
        action="store_true",
        default=None,
        help="open no socket: the cache or nothing; else $LEARNGENES_OFFLINE",
    )
    parser.add_argument("--tries", type=int, metavar="COUNT", help="of a call that found nobody or a busy service")
    add_json(parser)


def client(options: argparse.Namespace) -> Client:
    """The client of these options. What is asked again goes unsaid: stdout and stderr are the command's."""
    from stamina.instrumentation import set_on_retry_hooks

    set_on_retry_hooks(())
    more: dict[str, Any] = {} if options.tries is None else {"tries": options.tries}
    url = options.url or os.environ.get(VARIABLE) or DEFAULT_URL
    local = getattr(options, "local", None)
    return Client(url, cache=options.cache, offline=options.offline, local=local, **more)


def show(value: Any) -> None:
    """As JSON on stdout, all of it ASCII."""
    print(json.dumps(value, indent=2))


def read_json(source: str, stdin: Callable[[], str]) -> dict[str, Any]:
    """The JSON object in a file, or on standard input for `-`; InvalidArgument if there is none."""
    try:
        value = json.loads(stdin() if source == "-" else Path(source).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"{source} holds no JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidArgument(f"{source} should hold a JSON object, got {type(value).__name__}")
    return value


def say(*lines: object, now: bool = False) -> None:
    """Lines on stdout: of what a service said nothing reaches the terminal but letters. now: not only when it suits."""
    for line in lines:
        print(printable(line), flush=now)


def printable(text: object) -> str:
    """One line that moves no cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text))

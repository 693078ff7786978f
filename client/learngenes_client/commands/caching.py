"""cache ls, cache verify, cache prune: no service is asked."""

from __future__ import annotations

import argparse
import os
import time

from learngenes_client.cache import Cache, cache_root
from learngenes_client.commands import words
from learngenes_client.commands.common import DAMAGED, DONE, Command, add_cache, add_json, say, show
from learngenes_client.inventory import Kept, State, ls, prune, verify


def list_all(options: argparse.Namespace) -> int:
    """Print what is kept, used last first."""
    cache = _cache(options)
    kept = ls(cache)
    if options.json:
        show({"root": str(cache.root), "bytes": sum(one.bytes for one in kept), "kept": [_row(one) for one in kept]})
        return DONE
    for one in kept:
        say(_line(one))
    say(f"{len(kept)} kept, {sum(one.bytes for one in kept):,} bytes in {cache.root}")
    return DONE


def verify_all(options: argparse.Namespace) -> int:
    """Print what is damaged."""
    findings = verify(_cache(options), fix=options.fix)
    damaged = [finding for finding in findings if finding.state is State.DAMAGED]
    removed = sum(finding.removed for finding in findings)
    if options.json:
        rows = [{"path": str(one.path), "state": one.state, "reason": one.reason} for one in findings]
        show({"files": rows, "damaged": len(damaged), "removed": removed})
    else:
        for finding in findings:
            if finding.state is not State.WHOLE:
                say(f"{finding.state}  {finding.path}: {finding.reason}")
        done = f"{removed} removed" if options.fix else "to be removed by --fix"
        say(
            f"{len(findings)} files read"
            + (f", {len(damaged)} damaged and {done}" if damaged else ", all as they should be")
        )
    return DONE if removed == len(damaged) else DAMAGED


def prune_some(options: argparse.Namespace) -> int:
    """Print what was removed."""
    removed = prune(_cache(options), unused_seconds=options.unused, max_bytes=options.max_bytes, everything=options.all)
    if options.json:
        show({"bytes": sum(one.bytes for one in removed), "removed": [_row(one) for one in removed]})
        return DONE
    for one in removed:
        say(_line(one))
    say(f"{len(removed)} removed, {sum(one.bytes for one in removed):,} bytes")
    return DONE


def _add(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, help, run in (
        ("ls", "list what is kept, used last first", list_all),
        ("verify", "read everything and compare it with its digests", verify_all),
        ("prune", "remove what was not used for long, or is too much", prune_some),
    ):
        command = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
        add_cache(command)
        add_json(command)
        command.set_defaults(run=run)
        if name == "verify":
            command.add_argument("--fix", action="store_true", help="remove what is damaged")
        if name == "prune":
            command.add_argument("--unused", type=words.seconds, metavar="30d", help="what was not used for so long")
            command.add_argument(
                "--max-bytes", type=words.count, metavar="10G", help="what was used longest ago, until so much is left"
            )
            command.add_argument("--all", action="store_true", help="everything")


def _cache(options: argparse.Namespace) -> Cache:
    return Cache(cache_root(options.cache, os.environ))


def _row(one: Kept) -> dict[str, object]:
    return {
        "kind": one.kind,
        "id": one.id,
        "name": one.name,
        "bytes": one.bytes,
        "used": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.used)),
        "path": str(one.path),
    }


def _line(one: Kept) -> str:
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.used))
    return f"{used}  {one.bytes:>13,}  {one.kind:<10}  {one.id[:12]}  {one.name}"


COMMANDS = {"cache": Command("list, verify or prune what is kept on this disk", _add, None)}

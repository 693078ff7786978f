"""learngenes-client: the client's calls from a shell.

    learngenes-client fetch --depth 9 --width 384 --out vit.safetensors
    learngenes-client describe --depth 9 --width 384 --json
    learngenes-client learngenes
    learngenes-client methods

Exit status: 0 done; 1 the service, the network or the disk said no; 2 a wrong command line; 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from learngenes_client.cache import copy_whole
from learngenes_client.client import Client
from learngenes_client.errors import ClientError, InvalidArgument
from learngenes_client.models import CONFIG_FILE, MODEL_FILE, Document, Learngene, Steps

VARIABLE = "LEARNGENES_URL"
DEFAULT_URL = "http://127.0.0.1:8000"
DESCRIPTION = "Fetches a Vision Transformer checkpoint of the size you name."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status. A wrong command line leaves by SystemExit(2)."""
    options = _parser().parse_args(arguments)
    url = options.url or os.environ.get(VARIABLE) or DEFAULT_URL
    run: Callable[[Client, argparse.Namespace], None] = options.run
    try:
        with Client(url, cache=options.cache) as client:
            run(client, options)
    except InvalidArgument as error:
        return _fail(error, 2)
    except (ClientError, OSError) as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("stopped; what has arrived is kept", 130)
    return 0


def fetch(client: Client, options: argparse.Namespace) -> None:
    """Print where the checkpoint is."""
    out: Path | None = options.out
    if out and (out.is_dir() or not out.parent.is_dir()):
        raise InvalidArgument(f"--out names a file in a folder that exists, got {str(out)!r}")
    model = client.fetch_model(**_size_and_choices(options))
    if out:
        copy_whole(model.path, out)
    path = out or model.path
    if options.json:
        _print_json({"path": str(path), "config": str(model.path.parent / CONFIG_FILE), **model.document.raw})
    else:
        print(path)


def describe(client: Client, options: argparse.Namespace) -> None:
    """Print what would be fetched."""
    document = client.describe(**_size_and_choices(options))
    _print_json(document.raw) if options.json else print(_summary(document))


def learngenes(client: Client, options: argparse.Namespace) -> None:
    """Print one learngene, or all."""
    if options.name:
        learngene = client.learngene(options.name)
        _print_json(learngene.raw) if options.json else print(_line(learngene))
        return
    catalog = client.learngenes()
    if options.json:
        entries = [learngene.raw for learngene in catalog.learngenes]
        _print_json({"default": catalog.default, "learngenes": entries})
        return
    for learngene in catalog.learngenes:
        print(_line(learngene) + ("  (default)" if learngene.name == catalog.default else ""))


def methods(client: Client, options: argparse.Namespace) -> None:
    """Print all methods."""
    found = client.methods()
    if options.json:
        _print_json({"methods": [method.raw for method in found]})
        return
    for method in found:
        print(method.name)


def _size_and_choices(options: argparse.Namespace) -> dict[str, Any]:
    names = ("depth", "width", "learngene", "method", "num_classes", "dtype", "order", "strategy", "layers")
    return {name: getattr(options, name) for name in (*names, "seed", "keys")}


def _summary(document: Document) -> str:
    return "\n".join(
        [
            f"{document.learngene} ({document.method}), depth {document.depth}, width {document.width}",
            f"id          {document.id}",
            f"parameters  {document.params:,}",
            f"macs        {document.macs:,} multiply-adds",
            f"bytes       {document.file(MODEL_FILE).bytes:,} in {document.dtype}, names of {document.keys}",
            f"layer map   {' '.join(map(str, document.layer_map)) or '-'}",
            f"license     {document.license or '-'}",
        ]
    )


def _line(learngene: Learngene) -> str:
    sizes = f"depth {_span(learngene.depth)}, width {_span(learngene.width)}"
    return f"{learngene.name}@{learngene.version}  {learngene.method}  {sizes}"


def _span(steps: Steps) -> str:
    if steps.first == steps.last:
        return str(steps.first)
    return f"{steps.first} to {steps.last}" + ("" if steps.step == 1 else f" in steps of {steps.step}")


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def _fail(error: object, status: int) -> int:
    sentence = "".join(letter if letter.isprintable() else " " for letter in str(error))
    print(f"learngenes-client: {sentence}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    service = argparse.ArgumentParser(add_help=False)
    service.add_argument("--url", help=f"the service; else ${VARIABLE}, else {DEFAULT_URL}")
    service.add_argument("--cache", type=Path, help="the cache folder; else $LEARNGENES_CACHE")
    service.add_argument("--json", action="store_true", help="print JSON")

    wanted = argparse.ArgumentParser(add_help=False)
    wanted.add_argument("--depth", type=int, help="number of blocks")
    wanted.add_argument("--width", type=int, help="embedding dimension")
    wanted.add_argument("--learngene", metavar="NAME[@VERSION]", help="what to build it from")
    wanted.add_argument("--method", help="how to build it")
    wanted.add_argument("--num-classes", type=int, help="another than the learngene's gets a fresh head")
    wanted.add_argument("--dtype", metavar="f32|f16|bf16", help="type of the tensors")
    wanted.add_argument("--order", type=_order, metavar="NAME|0,4,1", help="which stages get extra blocks first")
    wanted.add_argument("--strategy", metavar="cyclic|random|proportional|interleave", help="how blocks are dealt")
    wanted.add_argument("--layers", type=_integers, metavar="0,0,1", help="the stage of every block, outright")
    wanted.add_argument("--seed", type=int, help="for tensors made fresh")
    wanted.add_argument("--keys", metavar="timm", help="whose tensor names to use")

    parser = argparse.ArgumentParser(prog="learngenes-client", description=DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("fetch", parents=[service, wanted], help="fetch it and print its path")
    command.add_argument("--out", type=Path, metavar="FILE", help="put a copy of the checkpoint there")
    command.set_defaults(run=fetch)
    command = commands.add_parser("describe", parents=[service, wanted], help="say what would be fetched")
    command.set_defaults(run=describe)
    command = commands.add_parser("learngenes", parents=[service], help="list what can be built from")
    command.add_argument("name", nargs="?", metavar="NAME[@VERSION]", help="only this one")
    command.set_defaults(run=learngenes)
    command = commands.add_parser("methods", parents=[service], help="list ways to build")
    command.set_defaults(run=methods)
    return parser


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"whole numbers with commas between, got {text!r}") from None


def _order(text: str) -> str | tuple[int, ...]:
    return _integers(text) if text[:1].isdigit() else text

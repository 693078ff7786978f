"""push, alias, yank, unyank."""

from __future__ import annotations

import argparse
from pathlib import Path

from learngenes_client.commands import words
from learngenes_client.commands.common import DONE, Command, add_service, client, say, show
from learngenes_client.commands.listing import line

PUSH = (
    "name",
    "method",
    "heads",
    "pool",
    "norm",
    "mean",
    "std",
    "interpolation",
    "crop_pct",
    "labels",
    "license",
    "data_license",
    "description",
    "private",
    "alias",
)
"""Arguments of `push` that the client takes by the same names."""


def push(options: argparse.Namespace) -> int:
    """Print what the checkpoint or learngene became."""
    with client(options) as service:
        learngene = service.push(
            options.path, **{name: getattr(options, name) for name in PUSH}, options=dict(options.option or ()) or None
        )
    show(learngene.raw) if options.json else say(line(learngene))
    return DONE


def alias(options: argparse.Namespace) -> int:
    """Print what the alias points to."""
    with client(options) as service:
        reference = service.alias(options.name, options.alias, options.version)
    alias = f"{options.name}@{options.alias}"
    show({"alias": alias, "reference": reference}) if options.json else say(f"{alias} is {reference}")
    return DONE


def yank(options: argparse.Namespace) -> int:
    """Print what was taken back."""
    with client(options) as service:
        learngene = service.yank(options.reference, options.reason)
    show(learngene.raw) if options.json else say(line(learngene))
    return DONE


def unyank(options: argparse.Namespace) -> int:
    """Print what is there again."""
    with client(options) as service:
        learngene = service.unyank(options.reference)
    show(learngene.raw) if options.json else say(line(learngene))
    return DONE


def _add_push(parser: argparse.ArgumentParser) -> None:
    add_service(parser)
    parser.add_argument(
        "path",
        type=Path,
        metavar="FILE|FOLDER",
        help="a .safetensors checkpoint with timm's names, or a learngene's folder",
    )
    parser.add_argument("--name", help="of the learngene; a checkpoint needs it")
    parser.add_argument("--method", help="what is to be made of the checkpoint; else selection")
    parser.add_argument(
        "--option",
        type=words.option,
        action="append",
        metavar="NAME=VALUE",
        help="of the method's learning, see methods",
    )
    parser.add_argument("--heads", type=int, help="of its attention, where its width does not tell")
    parser.add_argument("--pool", metavar="token|avg", help="what its head sees")
    parser.add_argument("--norm", metavar="before-pool|after-pool", help="where its last norm is")
    parser.add_argument("--mean", type=words.numbers, metavar="0.5,0.5,0.5", help="of its images, per channel")
    parser.add_argument("--std", type=words.numbers, metavar="0.5,0.5,0.5", help="of its images, per channel")
    parser.add_argument("--interpolation", metavar="bilinear|bicubic", help="by which its images were resized")
    parser.add_argument("--crop-pct", type=float, metavar="0.9", help="of the image that is kept")
    parser.add_argument("--labels", type=words.labels, metavar="A,B|@FILE", help="class names, in a file one a line")
    parser.add_argument("--license", help="of the weights, such as apache-2.0")
    parser.add_argument("--data-license", help="of what it was trained on")
    parser.add_argument("--description", help="one sentence")
    parser.add_argument("--private", action="store_true", default=None, help="only for callers with a key")
    parser.add_argument("--alias", help="let this name point to it")


def _add_alias(parser: argparse.ArgumentParser) -> None:
    add_service(parser)
    parser.add_argument("name", metavar="NAME", help="the learngene")
    parser.add_argument("alias", metavar="ALIAS", help="such as stable")
    parser.add_argument("version", type=int, metavar="VERSION", help="what it is to point to")


def _add_yank(parser: argparse.ArgumentParser) -> None:
    _add_unyank(parser)
    parser.add_argument("--reason", required=True, help="one sentence, told to everybody who asks for it")


def _add_unyank(parser: argparse.ArgumentParser) -> None:
    add_service(parser)
    parser.add_argument("reference", metavar="NAME@VERSION", help="the version")


COMMANDS = {
    "push": Command("publish a checkpoint or a learngene", _add_push, push),
    "alias": Command("let a name point to a version", _add_alias, alias),
    "yank": Command("take a version back", _add_yank, yank),
    "unyank": Command("put it back", _add_unyank, unyank),
}

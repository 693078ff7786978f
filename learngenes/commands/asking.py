"""What `plan` and `build` ask of a learngene: the words, the request they make, and its recipe."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from learngenes.arguments import add_learngene, add_options, numbers, options_of
from learngenes.catalog import Catalog, starter
from learngenes.errors import InvalidValue
from learngenes.gene import Manifest
from learngenes.initialize import Request
from learngenes.ready import planned
from learngenes.recipe import DTYPES, KEYS, Recipe
from learngenes.store.opened import open_store


def arguments(command: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """The words of a request; optional: the learngene may be left out."""
    add_learngene(command, optional=optional)
    command.add_argument("--depth", type=int, help="number of blocks")
    command.add_argument("--width", type=int, help="embedding dimension")
    command.add_argument("--num-classes", type=int, help="another number than the learngene's gets a fresh head")
    command.add_argument("--labels", metavar="A,B|@FILE", help="class names, in a file one a line; known rows are kept")
    command.add_argument("--img-size", type=int, metavar="PIXELS", help="side of an image")
    command.add_argument("--patch-size", type=int, metavar="PIXELS", help="side of a patch")
    command.add_argument("--in-chans", type=int, metavar="COUNT", help="channels of an image")
    command.add_argument("--pool", choices=("token", "avg"), help="what the head sees: the class token or the average")
    command.add_argument("--dtype", choices=DTYPES, default="f32")
    command.add_argument("--keys", choices=KEYS, default="timm", help="whose names the tensors have")
    command.add_argument("--seed", type=int, default=0, help="of all fresh and drawn values")
    command.add_argument("--order", help="front-mid-last, front-last-mid, or the stages such as 0,4,1,3,2")
    command.add_argument("--strategy", help="cyclic, random, proportional or interleave")
    command.add_argument("--layers", help="the stage of every block, such as 0,0,1,2")
    add_options(command)


def learngene(chosen: argparse.Namespace) -> tuple[Catalog, Manifest]:
    """The learngene named, and the catalog it lies in."""
    catalog = learngenes(chosen)
    manifest = catalog.get(chosen.learngene, yanked=chosen.allow_yanked)
    if not chosen.allow_yanked:
        catalog.refuse_yanked(manifest)
    return catalog, manifest


def learngenes(chosen: argparse.Namespace) -> Catalog:
    """The catalog named, or that of the learngenes that ship."""
    return starter() if chosen.store is None else Catalog(open_store(chosen.store))


def recipe(chosen: argparse.Namespace) -> tuple[Recipe, Manifest, Catalog]:
    """The recipe of what is asked, the learngene it is of (one fitted to the size, if there is one), their catalog."""
    catalog, manifest = learngene(chosen)
    made, used = planned(catalog, manifest, _request(chosen))
    return made, used, catalog


def _request(chosen: argparse.Namespace) -> Request:
    options: dict[str, Any] = options_of(chosen)
    if chosen.order:
        options["order"] = chosen.order if "-" in chosen.order else numbers(chosen.order)
    if chosen.strategy:
        options["strategy"] = chosen.strategy
    if chosen.layers:
        options["layers"] = numbers(chosen.layers)
    return Request(
        depth=chosen.depth,
        width=chosen.width,
        num_classes=chosen.num_classes,
        labels=_labels(chosen.labels),
        img_size=chosen.img_size,
        patch_size=chosen.patch_size,
        in_chans=chosen.in_chans,
        pool=chosen.pool,
        dtype=chosen.dtype,
        keys=chosen.keys,
        seed=chosen.seed,
        options=options,
    )


def _labels(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    if not text.startswith("@"):
        return tuple(text.split(","))
    try:
        return tuple(line for line in Path(text[1:]).read_text("utf-8").splitlines() if line)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"can't read class names from {text[1:]!r}: {error}") from error

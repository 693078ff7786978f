"""`learngenes fit-size`."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from pathlib import Path

from learngenes.arguments import STORE, add_data, add_options, options_of
from learngenes.catalog import Catalog
from learngenes.commands.running import running, say_stopped
from learngenes.fit_job import FitJob
from learngenes.gene import Manifest
from learngenes.job import Stopped
from learngenes.perform.fit_size import fit_size
from learngenes.perform.workplace import Workplace
from learngenes.preparation import data_options
from learngenes.recipe import DTYPES
from learngenes.spec import FitSize, check
from learngenes.store.opened import open_store


def arguments(command: argparse.ArgumentParser) -> None:
    """Which learngene to which size, on which images, for how long."""
    command.add_argument("learngene", metavar="LEARNGENE", help="`name` or `name@version`")
    command.add_argument("--store", required=True, metavar="STORE", help=f"its store, where the result goes: {STORE}")
    command.add_argument("--depth", type=int, required=True, help="number of blocks")
    command.add_argument("--width", type=int, required=True, help="embedding dimension")
    for name, what in (("--train", "to learn from"), ("--test", "to measure on")):
        command.add_argument(
            name, required=True, metavar="IMAGES", help=f"images {what}: parquet:FILE, folder:DIR, digits:train"
        )
    add_data(command)
    command.add_argument("--run", type=Path, required=True, metavar="DIR", help="checkpoint, events and the result")
    command.add_argument("--steps", type=int, default=200, help="of the optimizer; 200 unless said")
    command.add_argument("--batch", type=int, default=256, help="images a step; 256 unless said")
    command.add_argument("--images", type=int, default=0, metavar="N", help="use so many, drawn by seed; 0 for all")
    command.add_argument("--lr", type=float, default=5e-3, help="largest learning rate; 0.005 unless said")
    command.add_argument("--init", help="of WAVE, where scalers start: interp, lstsq, random or onehot")
    add_options(command)
    command.add_argument("--flip", type=float, default=0.0, help="probability of mirroring an image")
    command.add_argument("--padding", type=int, default=0, help="pixels an image is shifted by at most")
    command.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="of the arithmetic")
    command.add_argument("--seed", type=int, default=0, help="of all draws")
    command.add_argument("--license", default="unknown", help="of the images, for the record")
    command.add_argument("--dtype", choices=DTYPES, default="f32", help="what the result is stored in")


def run(chosen: argparse.Namespace) -> int:
    """Fit a learngene to one size on a little data; the result is kept beside it, and from then on serves that size."""
    catalog = Catalog(open_store(chosen.store))
    parent = catalog.get(chosen.learngene)
    spec = FitSize(_job(chosen, parent), dtype=chosen.dtype)
    check(spec, catalog)
    command = _command(chosen, parent)
    with running(chosen.run) as (report, stop):
        outcome = fit_size(spec, Workplace(chosen.run, chosen.data, chosen.store, catalog, command, report, stop))
    if isinstance(outcome, Stopped):
        return say_stopped(outcome)
    for reference in outcome.published if outcome else ():
        print(f"published {reference} in {chosen.store}")
    return 0


def _job(chosen: argparse.Namespace, parent: Manifest) -> FitJob:
    """The job; images are prepared as the learngene takes them."""
    changes = {"padding": chosen.padding, "flip": chosen.flip, "license": chosen.license}
    data = data_options(parent, train=chosen.train, test=chosen.test, changes=changes)
    options = options_of(chosen) | ({} if chosen.init is None else {"init": chosen.init})
    return FitJob(
        learngene=parent.reference,
        depth=chosen.depth,
        width=chosen.width,
        data=data if data.augment == "light" else replace(data, augment="none"),
        steps=chosen.steps,
        batch=chosen.batch,
        images=chosen.images,
        learning_rate=chosen.lr,
        precision=chosen.precision,
        options=options,
        seed=chosen.seed,
    )


def _command(chosen: argparse.Namespace, parent: Manifest) -> str:
    """What measured it, without the places of this machine."""
    words = ["learngenes", "fit-size", parent.reference, "--store", "STORE", "--run", "RUN", "--data", "DATA"]
    for name in (
        "depth", "width", "train", "test", "steps", "batch", "images", "lr", "init", "flip", "padding",
        "precision", "seed", "dtype", "license",
    ):  # fmt: skip
        if (value := getattr(chosen, name)) is not None:
            words += [f"--{name}", str(value)]
    words += [word for text in chosen.option for word in ("--option", text)]
    return shlex.join(words)

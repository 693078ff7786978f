"""`learngenes evaluate`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from learngenes import config
from learngenes.arguments import add_data, add_learngene, numbers
from learngenes.catalog import Catalog
from learngenes.commands.asking import learngene
from learngenes.commands.running import running, say_stopped
from learngenes.errors import InvalidValue
from learngenes.evaluation.job import EvaluationJob, TuningTables
from learngenes.gene import Manifest
from learngenes.initialize import Request
from learngenes.perform.evaluate import measured, stopped
from learngenes.perform.workplace import Workplace
from learngenes.publish import publish_measured
from learngenes.ready import ready

if TYPE_CHECKING:
    from learngenes.evaluation.grid import Cell, Result
    from learngenes.evaluation.run import Evaluated

FAILED = 1
"""Exit status where some cells failed; all others were measured."""

NEED_RUN = ("train", "epochs", "seeds", "latency", "tuning", "workers", "publish", "results")
"""What only a run directory can have."""


def arguments(command: argparse.ArgumentParser) -> None:
    """Which learngene at which sizes on which images, and what becomes of the measurements."""
    add_learngene(command)
    command.add_argument("--test", required=True, metavar="IMAGES", help="parquet:FILE, folder:DIR or digits:test")
    add_data(command)
    command.add_argument("--depths", default="6-16", help="such as 6-16 or 6,9,12")
    command.add_argument("--widths", help="such as 192,384; the learngene's own unless said")
    command.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="of the arithmetic")
    group = command.add_argument_group("a run", "that tunes, resumes, and uses one process per core or GPU")
    group.add_argument("--run", type=Path, metavar="DIR", help="cells, checkpoints and events; the same again resumes")
    group.add_argument("--train", metavar="IMAGES", help="to tune on: parquet:FILE, folder:DIR or digits:train")
    group.add_argument("--epochs", help="of tuning, such as 0,1,10; 0 is untuned, and what is done unless said")
    group.add_argument("--seeds", help="such as 0,1,2; 0 unless said")
    group.add_argument("--latency", action="store_true", help="also measure the time of one image at every size")
    group.add_argument("--tuning", type=Path, metavar="TOML", help="[training] and [data] that differ from the recipe")
    group.add_argument("--workers", type=int, metavar="N", help="processes; one per GPU or core unless said")
    group.add_argument(
        "--publish", action="store_true", help="the next version of the learngene, with these measurements"
    )
    group.add_argument("--results", type=Path, metavar="PATH", help="write PATH.md, .json and .svg")


def run(chosen: argparse.Namespace) -> int:
    """Measure descendants on test images, untuned or tuned; prints one JSON line each."""
    catalog, manifest = learngene(chosen)
    if chosen.run is None:
        return _measure(chosen, catalog, manifest)
    if chosen.publish and chosen.store is None:
        raise InvalidValue("--publish writes a new version into a store; add --store")
    if chosen.workers is not None and chosen.workers < 1:
        raise InvalidValue(f"--workers is at least 1, got {chosen.workers}")
    job, command = _job(chosen, manifest), _command(chosen, manifest)
    with running(chosen.run) as (report, stop):
        store, workers = chosen.store, chosen.workers
        at = Workplace(chosen.run, chosen.data, store, catalog, command, report, stop, workers=workers)
        evaluated = measured(job, manifest, at, done=lambda cell, result: _print(cell, result, command))
    if evaluated.stopped:
        return say_stopped(stopped(evaluated))
    if chosen.results is not None:
        _write(chosen.results, job, manifest, evaluated, command)
    for one in evaluated.failures:
        print(f"learngenes: {one.cell.name} failed: {one.failed}", file=sys.stderr)
    if evaluated.failures:
        print("learngenes: the same command measures what failed again", file=sys.stderr)
        return FAILED
    if chosen.publish:
        newest = catalog.versions(manifest.name)[-1]
        published = publish_measured(manifest, evaluated.quality(command), catalog=catalog)
        news = "published" if published.version > newest else "nothing new for"
        print(f"{news} {published.reference} in {chosen.store}", file=sys.stderr)
    return 0


def _measure(chosen: argparse.Namespace, catalog: Catalog, manifest: Manifest) -> int:
    """Untuned, in this process, and nothing is kept."""
    from learngenes import quality
    from learngenes.training.data import open_images

    if given := [name for name in NEED_RUN if getattr(chosen, name)]:
        raise InvalidValue(f"--{given[0]} needs a directory to work in; add --run DIR")
    images = open_images(chosen.test, data=chosen.data)
    widths = numbers(chosen.widths) if chosen.widths else []
    for depth in numbers(chosen.depths):
        for width in widths or (None,):
            used = ready(catalog, manifest, Request(depth=depth, width=width))
            for one in quality.measure(
                used,
                catalog.tensors(used),
                depths=[depth],
                widths=[] if width is None else [width],
                images=images,
                source=chosen.test,
                command=_command(chosen, manifest),
                precision=chosen.precision,
            ):
                print(json.dumps(asdict(one)), flush=True)
    return 0


def _job(chosen: argparse.Namespace, manifest: Manifest) -> EvaluationJob:
    tables = TuningTables() if chosen.tuning is None else config.load(chosen.tuning, TuningTables)
    return EvaluationJob(
        learngene=manifest.reference,
        test=chosen.test,
        depths=tuple(numbers(chosen.depths)),
        widths=tuple(numbers(chosen.widths)) if chosen.widths else (),
        epochs=tuple(numbers(chosen.epochs)) if chosen.epochs else (0,),
        seeds=tuple(numbers(chosen.seeds)) if chosen.seeds else (0,),
        train=chosen.train,
        latency=chosen.latency,
        precision=chosen.precision,
        training=tables.training,
        data=tables.data,
    )


def _print(cell: Cell, result: Result, command: str) -> None:
    from learngenes.evaluation.run import quality

    print(json.dumps(asdict(quality(cell, result, command))), flush=True)


def _write(path: Path, job: EvaluationJob, manifest: Manifest, evaluated: Evaluated, command: str) -> None:
    from learngenes.evaluation import plots, tables

    path.parent.mkdir(parents=True, exist_ok=True)
    page = tables.page(job, manifest, evaluated, name=path.name, command=command)
    path.with_name(f"{path.name}.md").write_text(page, "utf-8")
    path.with_name(f"{path.name}.json").write_bytes(tables.as_json(job, manifest, evaluated, command=command))
    picture = plots.svg(tables.rows(evaluated), title=f"{manifest.name} on {job.test}")
    path.with_name(f"{path.name}.svg").write_bytes(picture)


def _command(chosen: argparse.Namespace, manifest: Manifest) -> str:
    """What measures this again, without the places of this machine."""
    words = ["learngenes", "evaluate", manifest.reference]
    for name in ("test", "train", "depths", "widths", "epochs", "seeds", "precision"):
        if value := getattr(chosen, name):
            words += [f"--{name}", value]
    if chosen.latency:
        words.append("--latency")
    if chosen.tuning is not None:
        words += ["--tuning", chosen.tuning.name]
    if chosen.run is not None:
        words += ["--run", "RUN"]
    return shlex.join(words)

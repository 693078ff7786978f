"""`learngenes learn`."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

from learngenes import config
from learngenes.arguments import add_data, numbers
from learngenes.catalog import Catalog
from learngenes.commands.running import run_in, say_stopped
from learngenes.errors import InvalidValue, UnknownName
from learngenes.gene import Manifest, Quality
from learngenes.job import Learned, LearnJob, Stopped
from learngenes.publish import publish
from learngenes.recipe import DTYPES
from learngenes.store.local import LocalStore
from learngenes.tensorfile import TensorFile
from learngenes.zoo import METHODS, Method


def arguments(command: argparse.ArgumentParser) -> None:
    """The job, where it runs and where the learngene goes."""
    command.add_argument("config", type=Path, metavar="CONFIG", help="a TOML file, see configs/")
    command.add_argument("--run", type=Path, required=True, metavar="DIR", help="checkpoints, events and the result")
    add_data(command)
    command.add_argument("--store", type=Path, metavar="DIR", help="publish what was learned in this store")
    command.add_argument("--dtype", choices=DTYPES, default="f32", help="what the learngene is stored in")
    command.add_argument("--measure", metavar="DEPTHS", help="depths to measure and write into the manifest, e.g. 6-16")
    command.add_argument("--measure-widths", metavar="WIDTHS", help="at these widths instead of the learngene's own")


def run(chosen: argparse.Namespace) -> int:
    """Learn as a TOML file says, or go on with what lies in the run directory; then publish if a store is given."""
    job = config.load(chosen.config, LearnJob)
    method = _method(job)
    depths = numbers(chosen.measure) if chosen.measure else []
    if depths and chosen.store is None:
        raise InvalidValue("--measure writes into the published manifest: it needs --store as well")
    if depths and job.data is None:
        raise InvalidValue("--measure needs images to measure on: add [data] to the job")
    widths = numbers(chosen.measure_widths) if chosen.measure_widths else []
    if widths and not depths:
        raise InvalidValue("--measure-widths says where to measure what: add --measure DEPTHS")
    for depth in depths:
        for width in widths or (job.geometry.width,):
            method.space(job.geometry, {}).check(depth, width, learngene=job.name)
    command = f"learngenes learn {shlex.quote(str(chosen.config))} --run RUN --data DATA --store STORE"
    command += f" --dtype {chosen.dtype}" + (f" --measure {chosen.measure}" if depths else "")
    command += f" --measure-widths {chosen.measure_widths}" if widths else ""

    from learngenes.learners import LEARNERS

    outcome = run_in(
        chosen.run,
        lambda report, stop: LEARNERS[job.method](job, run=chosen.run, data=chosen.data, report=report, stop=stop),
    )
    if isinstance(outcome, Stopped):
        return say_stopped(outcome)
    if outcome is None or chosen.store is None:
        return 0

    def measure(manifest: Manifest, tensors: TensorFile) -> Iterator[Quality]:
        from learngenes import quality
        from learngenes.training.data import open_images

        used = job.need_data()
        images = open_images(used.test, data=chosen.data)
        return quality.measure(
            manifest,
            tensors,
            depths=depths,
            widths=widths,
            images=images,
            source=used.test,
            command=command,
            precision="float32" if job.training is None else job.training.precision,
            options=used,
        )

    learned = Learned(outcome.tensors, outcome.facts, {**outcome.record, "command": command}, outcome.input)
    catalog = Catalog(LocalStore(chosen.store))
    manifest = publish(job, learned, catalog=catalog, dtype=chosen.dtype, measure=measure if depths else None)
    print(f"published {manifest.reference} in {chosen.store}")
    return 0


def _method(job: LearnJob) -> Method:
    if job.method not in METHODS:
        raise UnknownName("method", job.method, METHODS)
    return METHODS[job.method]

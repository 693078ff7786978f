"""`learngenes learn`."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from learngenes import config
from learngenes.arguments import STORE, add_data, numbers
from learngenes.catalog import Catalog
from learngenes.commands.running import STOPPED, running, say_stopped
from learngenes.errors import InvalidValue
from learngenes.job import LearnJob, Stopped
from learngenes.perform.learn import learn
from learngenes.perform.workplace import Workplace, leads
from learngenes.recipe import DTYPES
from learngenes.spec import Learn, check_learn
from learngenes.store.opened import open_store


def arguments(command: argparse.ArgumentParser) -> None:
    """The job, where it runs and where the learngene goes."""
    command.add_argument("config", type=Path, metavar="CONFIG", help="a TOML file, see configs/")
    command.add_argument("--run", type=Path, required=True, metavar="DIR", help="checkpoints, events and the result")
    add_data(command)
    command.add_argument("--store", metavar="STORE", help=f"publish what was learned in this store: {STORE}")
    command.add_argument("--dtype", choices=DTYPES, default="f32", help="what the learngene is stored in")
    command.add_argument("--measure", metavar="DEPTHS", help="depths to measure and write into the manifest, e.g. 6-16")
    command.add_argument("--measure-widths", metavar="WIDTHS", help="at these widths instead of the learngene's own")


def run(chosen: argparse.Namespace) -> int:
    """Learn as a TOML file says, or go on with what lies in the run directory; then publish if a store is given."""
    depths = numbers(chosen.measure) if chosen.measure else []
    if depths and chosen.store is None:
        raise InvalidValue("--measure writes into the published manifest: it needs --store as well")
    widths = numbers(chosen.measure_widths) if chosen.measure_widths else []
    job = config.load(chosen.config, LearnJob)
    check_learn(spec := Learn(job, dtype=chosen.dtype, measure=tuple(depths), measure_widths=tuple(widths)))
    command = f"learngenes learn {shlex.quote(str(chosen.config))} --run RUN --data DATA --store STORE"
    command += f" --dtype {chosen.dtype}" + (f" --measure {chosen.measure}" if depths else "")
    command += f" --measure-widths {chosen.measure_widths}" if widths else ""
    catalog = None if chosen.store is None else Catalog(open_store(chosen.store))
    with running(chosen.run) as (report, stop):
        outcome = learn(spec, Workplace(chosen.run, chosen.data, chosen.store, catalog, command, report, stop))
    if isinstance(outcome, Stopped):
        return say_stopped(outcome) if leads() else STOPPED
    for reference in outcome.published if outcome else ():
        print(f"published {reference} in {chosen.store}")
    return 0

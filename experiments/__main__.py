"""The papers' tables by our own code: learngenes learned, descendants built, tuned and measured, pages written.

python -m experiments run t1 --data data            what runs/evidence lacks is done; each whole table's page is written
python -m experiments pages                         pages and pictures anew from the JSON beside them
python -m experiments list                          the tables there are
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Container
from pathlib import Path
from typing import Any

from experiments import claims, figures, grid, images, results, runner, tasks
from experiments.grid import Table
from experiments.page import page
from experiments.summary import summary
from experiments.tasks import Measure, Task
from learngenes.errors import InvalidValue, LearngenesError

PAGES = Path(__file__).parents[1] / "docs" / "results" / "evidence"


def main(words: list[str] | None = None) -> int:
    """One of the commands; 1 if something failed, with one sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="do what is missing of tables, and write their pages")
    run.add_argument("tables", nargs="+", metavar="TABLE")
    run.add_argument("--data", type=Path, default=Path("data"), help="where relative paths of images start")
    run.add_argument("--run", type=Path, default=Path("runs/evidence"), help="learngenes and outcomes, for all tables")
    run.add_argument("--pages", type=Path, default=PAGES, help="where pages go")
    run.add_argument("--declared", type=Path, default=grid.HERE, help="where tables/ and settings/ are")
    run.add_argument("--workers", type=int, default=0, help="processes; 0 is one per GPU or core")
    pages = commands.add_parser("pages", help="write pages and pictures from the JSON")
    pages.add_argument("--pages", type=Path, default=PAGES, help="where JSON and pages are")
    commands.add_parser("list", help="the tables")
    chosen = parser.parse_args(words)
    try:
        match chosen.command:
            case "run":
                return _run(chosen)
            case "pages":
                write_pages(chosen.pages)
            case _:
                for name in grid.names():
                    print(f"{name:24} {grid.load(name).title}")
    except LearngenesError as error:
        print(f"experiments: {error}", file=sys.stderr)
        return 1
    return 0


def write_pages(folder: Path, *, declared: Path = grid.HERE, without: Container[str] = ()) -> list[Path]:
    """Every page, picture and the summary that the JSON in a folder gives; their paths.

    without: tables whose JSON is of another declaration, and is left as it is.
    """
    written, found, unmeasured = [], [], []
    for name in grid.names(declared):
        table = grid.load(name, folder=declared)
        if name in without or not (folder / f"{name}.json").exists():
            unmeasured += [table] if table.evidence else []
            continue
        read = results.read(folder / f"{name}.json", table)
        found.append((table, read))
        for path, content in (
            (folder / f"{name}.md", page(table, read).encode()),
            (folder / f"{name}.svg", figures.svg(table, read)),
        ):
            path.write_bytes(content)
            written.append(path)
    if not found:
        return []
    (folder / "README.md").write_text(summary(found, unmeasured), "utf-8")
    return [*written, folder / "README.md"]


def _run(chosen: argparse.Namespace) -> int:
    from tqdm import tqdm

    tables = [grid.load(name, folder=chosen.declared) for name in chosen.tables]
    for table in tables:
        for claim in table.claims:
            claims.check(claims.parse(claim), [row.name for row in table.rows], table.setting.learngenes)
    old = set()
    for name in grid.names(chosen.declared):
        if (path := chosen.pages / f"{name}.json").exists():
            try:
                results.read(path, grid.load(name, folder=chosen.declared))
            except InvalidValue:
                if name not in chosen.tables:
                    raise  # now, and not when the first table is whole
                old.add(name)
    command = f"python -m experiments run {' '.join(chosen.tables)} --data {chosen.data.name}"
    run = runner.Run(chosen.run, chosen.data, command, runner.commit())
    todo = tasks.with_needs(measure for table in tables for measure in tasks.measures(table))
    needed = {table.name: {task.digest for task in tasks.with_needs(tasks.measures(table))} for table in tables}
    images.remember(chosen.run, images.sources(todo), data=chosen.data)
    missing = {task.digest for task in todo if run.outcome(task) is None}
    workers = chosen.workers or runner.workers()

    def keep(kept: list[Table]) -> None:
        chosen.pages.mkdir(parents=True, exist_ok=True)
        for table in kept:
            found = results.collect(table, run)
            if found.cells:
                results.write(found, chosen.pages / f"{table.name}.json")
                old.discard(table.name)
        write_pages(chosen.pages, declared=chosen.declared, without=old)

    with tqdm(total=len(todo), initial=len(todo) - len(missing), unit="task") as bar:

        def told(task: Task, outcome: dict[str, Any] | None) -> None:
            bar.update()
            value = "failed" if outcome is None else f"{outcome['value']:.4f}" if isinstance(task, Measure) else "done"
            bar.write(f"seed {task.seed}  {task.name}: {value}")
            if outcome is None:
                return
            missing.discard(task.digest)
            with_it = [table for table in tables if task.digest in needed[table.name]]
            if ended := [table for table in with_it if missing.isdisjoint(needed[table.name])]:
                keep(ended)

        failed = runner.work(run, todo, workers=workers, told=told)
    for task in todo:
        if task.digest in failed:
            print(f"seed {task.seed}  {task.name}: {failed[task.digest]}", file=sys.stderr)
    keep(tables)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

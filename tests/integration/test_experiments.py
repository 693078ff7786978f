"""The smallest table from an empty run directory to its page, whatever happens to the run."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cases.queue_servers import wait_until

from experiments import grid, tasks
from experiments.__main__ import PAGES, main, write_pages
from learngenes.errors import InvalidValue

TABLE = """
title = "A table"
setting = "small"
seeds = [0]
shown = "by depth"
about = "Made by a test."

[[rows]]
name = "SWS"
learngene = "sws"
depths = [2, 3]

[[rows]]
name = "calibrated"
learngene = "sws"
depths = [2]
fit = { images = 64, steps = 2, batch = 32 }

[[rows]]
name = "first N"
learngene = "selection"
depths = [2, 3]
options = { keep = "first" }

[[rows]]
name = "trained"
learngene = "scratch"
depths = [2]
epochs = [2]
recipe = "learning"

[[claims]]
kind = "above"
id = "O1"
says = "SWS > first N"
row = "SWS"
than = "first N"
"""


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("declared")
    small = (grid.HERE / "settings" / "digits.toml").read_text()
    for old, new in (("depth = 6", "depth = 3"), ("width = 48", "width = 24"), ("epochs = 6", "epochs = 2")):
        small = small.replace(old, new)
    small = small.replace("[1, 1, 1, 1, 1, 1]", "[1, 1, 1]").replace("[2, 2, 2]", "[1, 2]")
    broken = TABLE.replace('keep = "first"', 'keep = "last"')
    for name, text in (("settings/small.toml", small), ("tables/made.toml", TABLE), ("tables/broken.toml", broken)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def whole(declared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tables were run to their ends, undisturbed, beside one of which a row is wrong."""
    folder = tmp_path_factory.mktemp("whole")
    assert main(["run", "broken", "made", *words(declared, folder), "--workers", "1"]) == 1
    return folder


def words(declared: Path, folder: Path) -> list[str]:
    return ["--declared", str(declared), "--run", str(folder / "run"), "--pages", str(folder / "p")]


def made(folder: Path) -> dict[str, Any]:
    """The cells of the table and what was learned, but for the seconds it took."""
    table = json.loads((folder / "p" / "made.json").read_text())
    learned = {
        name: {seed: {key: value for key, value in record.items() if key != "seconds"} for seed, record in each.items()}
        for name, each in table["learned"].items()
    }
    return {"cells": table["cells"], "learned": learned}


def test_a_table_runs_from_nothing_beside_one_that_fails_and_is_not_run_again(
    declared: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (whole / "p" / "broken.md").read_text()
    assert "| O1 | SWS > first N | **not measured** |  | not published | first N is not there |" in page
    assert "Not measured: 2, such as first N 2x24, seed 0." in page
    found = made(whole)
    values = {(c["row"], c["depth"]): c for c in found["cells"]}
    pairs = {("SWS", 2), ("SWS", 3), ("calibrated", 2), ("first N", 2), ("first N", 3), ("trained", 2)}
    assert values.keys() == pairs
    # A learngene's own network is measured once after learning and once as a descendant: the same to the image.
    assert values["SWS", 3]["top1"]["0"] == found["learned"]["sws"]["0"]["accuracy"]
    assert [len(curve) for curve in values["trained", 2]["curves"].values()] == [2]
    page = (whole / "p" / "made.md").read_text()
    assert "| O1 | SWS > first N | **" in page
    assert str(whole) not in page
    written = {path: path.stat().st_mtime_ns for path in (whole / "run" / "outcomes").iterdir()}
    assert main(["run", "made", *words(declared, whole), "--workers", "1"]) == 0
    assert {path: path.stat().st_mtime_ns for path in (whole / "run" / "outcomes").iterdir()} == written
    assert "seed" not in capsys.readouterr().out
    assert main(["run", "broken", *words(declared, whole), "--workers", "1"]) == 1
    assert "first N 2x24: UnknownName: unknown the options of selection: keep 'last'" in capsys.readouterr().err


def test_a_run_that_is_stopped_and_robbed_of_its_process_ends_as_if_nothing_had_been(
    declared: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sws = lock(tmp_path, "SWS", declared)
    run = ["run", "made", *words(declared, tmp_path), "--workers", "1"]

    def stop() -> None:
        wait_until(lambda: is_held(sws), each=0.005)
        os.kill(os.getpid(), signal.SIGTERM)

    def kill() -> None:
        found: set[int] = set()
        wait_until(lambda: found.update(waiting(sws)) or found)
        os.kill(*found, signal.SIGKILL)

    with meanwhile(stop), pytest.raises(KeyboardInterrupt):
        main(run)
    assert not (tmp_path / "run" / "outcomes" / f"{sws.name}.json").exists()
    with holding(sws), meanwhile(kill):
        assert main([*run[:-1], "2"]) == 1
    said = capsys.readouterr()
    assert "seed 0  sws: its process ended with signal SIGKILL, perhaps because memory ran out" in said.err
    assert "seed 0  SWS 2x24: needs sws, which failed" in said.err
    assert "seed 0  first N 2x24: 0." in said.out
    assert main(run) == 0
    assert made(tmp_path) == made(whole)


def test_tables_that_were_declared_anew_are_run_together_and_replace_what_was_there(
    declared: Path, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "declared"
    shutil.copytree(declared, folder)
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    made, more = folder / "tables" / "made.toml", folder / "tables" / "more.toml"
    more.write_text(made.read_text().replace("depths = [2, 3]", "depths = [1]").replace("depths = [2]", "depths = [1]"))
    run = [*words(folder, tmp_path), "--workers", "1"]
    (folder / "tables" / "broken.toml").unlink()
    assert main(["run", "more", *run]) == 0
    for path in (made, more):
        path.write_text(path.read_text().replace('"SWS"', '"stages"'))
        (task,) = [task for task in tasks.measures(grid.load(path.stem, folder=folder)) if task.row.name == "stages"][
            :1
        ]
        (tmp_path / "run" / "outcomes" / f"{task.digest}.json").unlink()
    with pytest.raises(
        InvalidValue, match=r"made\.json holds SWS at 2x24, seed 0, as made\.toml no longer declares it"
    ):
        write_pages(tmp_path / "p", declared=folder)
    assert main(["run", "more", *run]) == 1  # nothing is half written because of another table
    assert "SWS" in (tmp_path / "p" / "more.json").read_text()
    assert main(["run", "made", "more", *run]) == 0
    for name in ("made", "more"):
        assert "| depth | stages |" in (tmp_path / "p" / f"{name}.md").read_text()


def lock(folder: Path, row: str, declared: Path) -> Path:
    """Of the task that learns the learngene of a row."""
    task = next(t for t in tasks.measures(grid.load("made", folder=declared)) if t.row.name == row)
    return folder / "run" / "locks" / task.learn.digest


@contextmanager
def holding(path: Path) -> Iterator[None]:
    """As another run would that does this task; BlockingIOError if one does."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def is_held(path: Path) -> bool:
    """Whether somebody does this task."""
    try:
        with holding(path):
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


def waiting(path: Path) -> set[int]:
    """Workers that have this file open; what we start has all that we have open until it is another program."""
    found = set()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if not entry.name.isdecimal() or b"forkserver" not in (entry / "cmdline").read_bytes():
                continue
            if str(path) in map(os.readlink, (entry / "fd").iterdir()):
                found.add(int(entry.name))
    return found


@contextmanager
def meanwhile(what: Callable[[], None]) -> Iterator[None]:
    """That goes on in a thread, and has come to its end afterwards; if it fails, what waits for it is ended."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            what()
        except BaseException as error:
            failed.append(error)
            os.kill(os.getpid(), signal.SIGTERM)  # which a run takes as Ctrl-C

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        assert not failed, failed


def test_the_pages_in_the_checkout_are_what_their_json_gives(tmp_path: Path) -> None:
    for path in PAGES.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for path in write_pages(tmp_path):
        assert path.read_bytes() == (PAGES / path.name).read_bytes(), f"{path.name}: run python -m experiments pages"


def test_a_table_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "t11"]) == 1
    assert capsys.readouterr().err.startswith("experiments: unknown table 't11'")

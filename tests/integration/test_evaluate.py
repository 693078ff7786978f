"""Evaluations as commands: several processes, resumed after a kill, published."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import factories
import pytest
from cases.processes import assert_gone

from learngenes.__main__ import main
from learngenes.catalog import Catalog
from learngenes.store.local import LocalStore

TUNING = """
[training]
batch = 64
learning_rate = 3e-3
checkpoint_minutes = 0
[data]
padding = 1
flip = 0.0
"""
CELLS = ["--depths", "1,2", "--widths", "16,32", "--epochs", "0,1", "--seeds", "0,1"]
LONG = ["--depths", "1", "--epochs", "0,3"]
"""An untuned cell and a tuned one, of which every step writes a checkpoint."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a store, where the learngene `tiny` has the classes of the digits, and with a tuning.toml."""
    folder = tmp_path_factory.mktemp("evaluate")
    learngene = factories.learngene(labels=tuple("0123456789"))
    factories.catalog(None, learngene, store=LocalStore(folder / "store"))
    (folder / "tuning.toml").write_text(TUNING)
    return folder


def words(place: Path, run: Path, *more: str, workers: int = 1) -> list[str]:
    given = ["evaluate", "tiny", "--store", str(place / "store"), "--test", "digits:test", "--train", "digits:train"]
    given += ["--tuning", str(place / "tuning.toml"), "--run", str(run), "--workers", str(workers)]
    return [*given, "--results", str(run / "results" / "tiny"), *more]


def found(run: Path) -> bytes:
    return (run / "results" / "tiny.json").read_bytes()


def events(run: Path) -> list[dict[str, Any]]:
    path = run / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def saved(run: Path) -> Iterator[dict[str, Any]]:
    """The events of checkpoints that lie inside a tuning."""
    for event in events(run):
        inner = event.get("progress", {})
        if inner.get("event") == "checkpoint" and inner["step"] < inner["steps"]:
            yield event


def wait_for_checkpoint(run: Path, *, after: int = 0, process: subprocess.Popen[bytes] | None = None) -> None:
    """Until a tuning has saved a checkpoint, past the first `after`; fails once the process has ended."""
    limit = time.monotonic() + 300
    while len(list(saved(run))) <= after:
        assert time.monotonic() < limit, "no checkpoint in five minutes"
        assert process is None or process.poll() is None, "it ended before a checkpoint was seen"
        time.sleep(0.02)


@contextmanager
def at_checkpoint(run: Path, act: Callable[[], None]) -> Iterator[None]:
    """Do this at the next checkpoint, while the block is at work; it has been done when the block ends."""

    def wait(seen: int) -> None:
        wait_for_checkpoint(run, after=seen)
        act()

    waiting = threading.Thread(target=wait, args=(len(list(saved(run))),))
    waiting.start()
    try:
        yield
    finally:
        waiting.join()


def worker_of(run: Path) -> int:
    """The process that saved the last checkpoint."""
    *_, last = saved(run)
    return [event["pid"] for event in events(run) if event["event"] == "cell" and event["cell"] == last["cell"]][-1]


@pytest.fixture(scope="module")
def many(place: Path) -> Path:
    """A run of CELLS, with latencies."""
    run = place / "many"
    assert main(words(place, run, *CELLS, "--latency", workers=2)) == 0
    return run


def test_two_processes_measure_every_cell_once(many: Path) -> None:
    table = json.loads(found(many))
    measured = [(m["metric"], m["depth"], m["width"], m["epochs_after"], m["seed"]) for m in table["measurements"]]
    assert len(measured) == len(set(measured)) == 4 + 8 + 4
    assert {m["n"] for m in table["measurements"] if m["metric"] == "top1"} == {360}
    assert len({event["pid"] for event in events(many) if event["event"] == "cell"}) == 3  # one more for latencies
    assert table["missing"] == []
    assert len(list((many / "cells").iterdir())) == 16
    assert list((many / "checkpoints").iterdir()) == []
    for table in (json.loads(path.read_text()) for path in (many / "cells").iterdir()):
        assert len(table["curve"]) == table["key"]["epochs"]
        assert table["curve"][-1:] in ([], [table["value"]])


def test_the_page_and_the_picture_are_written(many: Path) -> None:
    page = (many / "results" / "tiny.md").read_text()
    assert "| depth | width | parameters | multiply-adds | untuned | after 1 epoch | latency, one image |" in page
    assert str(many) not in page
    assert (many / "results" / "tiny.svg").read_bytes().startswith(b"<?xml")


def test_a_finished_run_measures_nothing_again(many: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, seen = found(many), len(events(many))
    assert main(words(place, many, *CELLS, "--latency")) == 0
    assert found(many) == before
    assert [event["event"] for event in events(many)[seen:]] == ["grid"]
    assert len(capsys.readouterr().out.splitlines()) == 16


def test_untuned_values_are_those_of_the_simplest_call(
    many: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simple = ["evaluate", "tiny", "--store", str(place / "store"), "--test", "digits:test"]
    assert main([*simple, "--depths", "1,2", "--widths", "16,32"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    untuned = {
        (m["depth"], m["width"]): m["value"]
        for m in json.loads(found(many))["measurements"]
        if m["metric"] == "top1" and not m["epochs_after"]
    }
    assert {(line["depth"], line["width"]): line["value"] for line in lines} == untuned


def test_measurements_are_published_as_a_new_version_of_the_same_file(many: Path, tmp_path: Path) -> None:
    place = many.parent
    catalog = Catalog(LocalStore(place / "store"))
    old = catalog.get("tiny@1")
    manifest = (place / "store" / "learngenes" / "tiny" / "1.json").read_bytes()
    blobs = list(catalog.store.keys("blobs"))
    assert main(words(place, many, *CELLS, "--latency", "--publish")) == 0
    fresh = Catalog(LocalStore(place / "store"))
    new = fresh.get("tiny")
    assert (new.version, new.weights, len(new.quality)) == (2, old.weights, 16)
    assert list(fresh.store.keys("blobs")) == blobs
    assert (place / "store" / "learngenes" / "tiny" / "1.json").read_bytes() == manifest

    seen = len(events(many))
    more = ["--depths", "1,2,3", "--widths", "16"]
    assert main(words(place, many, *more, "--publish")) == 0  # the same weights: the same cells
    (planned, *_) = events(many)[seen:]
    assert (planned["cells"], planned["missing"]) == (3, 1)
    assert len(Catalog(LocalStore(place / "store")).get("tiny@3").quality) == 17
    assert main(["plan", "--store", str(place / "store"), "--max-params", "1M", "--max-latency-ms", "1000"]) == 0
    for version in (2, 3):
        (place / "store" / "learngenes" / "tiny" / f"{version}.json").unlink()


def test_a_run_killed_robbed_of_a_worker_and_stopped_ends_as_if_nothing_had_been(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    straight, run = tmp_path / "straight", tmp_path / "run"
    assert main(words(place, straight, *LONG)) == 0

    command = [sys.executable, "-m", "learngenes", *words(place, run, *LONG)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for_checkpoint(run, process=process)
        process.kill()
    assert_gone(worker_of(run), seconds=5)
    assert not (run / "results").exists()
    *_, last = saved(run)
    cell = last["cell"]

    with at_checkpoint(run, lambda: os.kill(worker_of(run), signal.SIGKILL)):
        assert main(words(place, run, *LONG, workers=2)) == 1
    assert f"{cell} failed: its process ended with signal SIGKILL" in capsys.readouterr().err
    (missing,) = json.loads(found(run))["missing"]
    assert missing["cell"] == cell
    assert len(list((run / "cells").iterdir())) == 1

    with at_checkpoint(run, lambda: os.kill(os.getpid(), signal.SIGTERM)):
        assert main(words(place, run, *LONG)) == 130
    assert "stopped in the evaluation after step 1 of 2; continue with: learngenes " in capsys.readouterr().err

    assert main(words(place, run, *LONG)) == 0
    progress = [event["progress"] for event in events(run) if event["event"] == "tuning"]
    starts = [one["step"] for one in progress if one["event"] == "start"]
    assert starts[0] == 0 < starts[1] < starts[2] < starts[3]
    assert found(run) == found(straight)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--epochs", "1"], "--epochs needs a directory to work in; add --run DIR"),
        (["--publish"], "--publish needs a directory to work in; add --run DIR"),
        (["--run", "{run}", "--epochs", "1"], "1 epochs of tuning need images to train on; add --train"),
        (["--run", "{run}", "--workers", "0"], "--workers is at least 1, got 0"),
        (["--run", "{run}", "--depths", "600"], "the nearest is depth 512"),
        (["--run", "{run}", "--train", "digits:train", "--epochs", "1", "--tuning", "{toml}"], "fewer than a batch"),
    ],
)
def test_what_can_not_be_is_one_sentence(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    (tmp_path / "large.toml").write_text("[training]\nbatch = 2048\n")
    given = [word.format(run=tmp_path / "run", toml=tmp_path / "large.toml") for word in more]
    simple = ["evaluate", "tiny", "--store", str(place / "store"), "--test", "digits:test"]
    assert main([*simple, *given]) == 2
    assert message in capsys.readouterr().err
    assert not list((tmp_path / "run").glob("cells/*.json"))


def test_publishing_needs_a_store_to_publish_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "sws-small-cifar100", "--test", "digits:test", "--run", str(tmp_path), "--publish"]
    assert main(words) == 2
    assert "--publish writes a new version into a store; add --store" in capsys.readouterr().err

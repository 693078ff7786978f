"""The smallest table from an empty run directory to its page; and a second time, when everything is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments import grid
from experiments.__main__ import PAGES, main, write_pages

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


def test_a_table_runs_from_nothing_beside_one_that_fails_and_is_not_run_again(
    declared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--declared", str(declared), "--run", str(tmp_path / "run"), "--pages", str(tmp_path / "p")]
    assert main(["run", "broken", "made", *words, "--workers", "1"]) == 1
    assert "first N 2x24: UnknownName: unknown the options of selection: keep 'last'" in capsys.readouterr().err
    page = (tmp_path / "p" / "broken.md").read_text()
    assert "| O1 | SWS > first N | **not measured** |  | not published | first N is not there |" in page
    assert "Not measured: 2, such as first N 2x24, seed 0." in page
    table = json.loads((tmp_path / "p" / "made.json").read_text())
    values = {(c["row"], c["depth"]): c for c in table["cells"]}
    assert values.keys() == {("SWS", 2), ("SWS", 3), ("first N", 2), ("first N", 3), ("trained", 2)}
    # A learngene's own network is measured once after learning and once as a descendant: the same to the image.
    assert values["SWS", 3]["top1"]["0"] == table["learned"]["sws"]["0"]["accuracy"]
    assert [len(curve) for curve in values["trained", 2]["curves"].values()] == [2]
    page = (tmp_path / "p" / "made.md").read_text()
    assert "| O1 | SWS > first N | **" in page
    assert str(tmp_path) not in page
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "outcomes").iterdir()}
    assert main(["run", "made", *words, "--workers", "1"]) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "outcomes").iterdir()} == written
    assert "seed" not in capsys.readouterr().out


def test_the_pages_in_the_checkout_are_what_their_json_gives(tmp_path: Path) -> None:
    for path in PAGES.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for path in write_pages(tmp_path):
        assert path.read_bytes() == (PAGES / path.name).read_bytes(), f"{path.name}: run python -m experiments pages"


def test_a_table_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "t11"]) == 1
    assert capsys.readouterr().err.startswith("experiments: unknown table 't11'")

"""What the experiments declare, which images they saw, and results as they are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cases.evidence import made, results

from experiments import claim_kinds as kinds
from experiments import claims, figures, grid, images, tasks
from experiments.page import page
from experiments.results import Cell, read, write
from learngenes.errors import InvalidValue, UnknownName
from learngenes.zoo import METHODS


@pytest.mark.parametrize("name", grid.names())
def test_every_table_that_is_declared_can_be_planned_and_its_claims_name_its_rows(name: str) -> None:
    table = grid.load(name)
    planned = list(tasks.measures(table))
    rows = {row.name for row in table.rows}
    assert {task.row.name for task in planned} == rows
    assert len({(t.row.name, t.depth, t.width, t.epochs, t.seed) for t in planned}) == len(planned)
    assert len(table.seeds) >= 3
    for task in planned:
        job = task.learn.job
        if job.method not in ("wave", "minideit"):  # whose sizes follow from what is learned
            facts = {"stages": list(job.options.get("stages", ()))}
            METHODS[job.method].space(job.geometry, facts).check(task.depth, task.width, learngene=task.row.name)
    learned = {name: {"0": {"stored": 1}} for name in table.setting.learngenes}
    found = replace(made(planned, lambda task: True), learned=learned)
    for claim in map(claims.parse, table.claims):
        claims.check(claim, [row.name for row in table.rows], table.setting.learngenes)
        assert claims.verdict(claim, found).verdict != kinds.UNMEASURED
    assert page(table, found).startswith(f"# {table.title}")
    assert figures.svg(table, found).startswith(b"<?xml")


def test_other_images_under_a_known_name_are_refused(tmp_path: Path) -> None:
    planned = [replace(task, test="parquet:b.parquet[:5]") for task in tasks.measures(grid.load("smoke"))]
    assert images.sources(tasks.with_needs(iter(planned))) == {"digits:train", "digits:test", "parquet:b.parquet"}
    for name, content in (("one", b"1"), ("other", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "b.parquet").write_bytes(content)
    named = ["digits:test", "parquet:b.parquet", "parquet:absent.parquet"]
    for _ in range(2):
        images.remember(tmp_path / "run", named, data=tmp_path / "one")
    with pytest.raises(InvalidValue, match=r"parquet:b\.parquet has sha256 d4735e3a265e .* measured on 6b86b273ff34"):
        images.remember(tmp_path / "run", named, data=tmp_path / "other")


def test_an_unknown_table_learngene_ancestor_or_claim_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="table 't11'"):
        grid.load("t11")
    (tmp_path / "tables").mkdir()
    text = (grid.HERE / "tables" / "smoke.toml").read_text()
    for old, new, said in (
        ('learngene = "sws"', 'learngene = "swss"', "learngene of row 'SWS' 'swss'"),
        ('setting = "digits"', 'setting = "letters"', "there is no setting 'letters'"),
    ):
        (tmp_path / "tables" / "broken.toml").write_text(text.replace(old, new, 1))
        if not (tmp_path / "settings").exists():
            (tmp_path / "settings").symlink_to(grid.HERE / "settings")
        with pytest.raises(InvalidValue, match=said):
            grid.load("broken", folder=tmp_path)
    with pytest.raises(UnknownName, match="kind of claim"):
        claims.parse({"kind": "abov", "says": "so"})


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    table, path = grid.load("smoke"), tmp_path / "smoke.json"
    task = next(tasks.measures(table))
    cell = Cell(task.row.name, task.depth, task.width, 0, 1, 100, {"0": 0.5}, {}, {"0": task.digest})
    write(replace(results(), cells=(cell,), learned={"sws": {"0": {"accuracy": 0.5}}}), path)
    found = read(path, table)
    assert (found.cells, found.learned, found.hardware) == ((cell,), {"sws": {"0": {"accuracy": 0.5}}}, ("h",))
    assert len(found.missing) == len(list(tasks.measures(table))) - 1
    again = replace(table, rows=(replace(table.rows[0], options={"order": "front-last-mid"}), *table.rows[1:]))
    with pytest.raises(InvalidValue, match=r"holds SWS at 3x48, seed 0, as smoke\.toml no longer declares it; run the"):
        read(path, again)
    for old, new in (('"seconds"', '"hours"'), ("}", "")):
        (tmp_path / "a.json").write_text(path.read_text().replace(old, new))
        with pytest.raises(InvalidValue, match=r"a\.json is not as this version writes it .*; delete it"):
            read(tmp_path / "a.json", table)

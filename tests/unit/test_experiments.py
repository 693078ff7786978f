"""What the experiments declare, what makes a task the same one, and when a claim holds."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from experiments import claim_kinds as kinds
from experiments import claims, figures, grid, images, tasks
from experiments.page import page
from experiments.results import Cell, Results, read, write
from experiments.statistics import difference
from learngenes.errors import InvalidValue, UnknownName
from learngenes.fit_job import FitJob
from learngenes.zoo import METHODS


def results(**rows: dict[int, list[float]]) -> Results:
    """Accuracies in percent by row and depth, a value for each seed."""
    cells = [
        Cell(row.replace("_", " "), depth, 96, 0, 1000, 100, {str(s): v / 100 for s, v in enumerate(values)}, {})
        for row, by_depth in rows.items()
        for depth, values in by_depth.items()
    ]
    return Results("made", tuple(cells), {}, 1.0, ("c",), ("h",), ("v",), "command", ())


LOST = {"0": [0.7], "1": [0.7]}


def judged(found: Results, **claim: Any) -> claims.Verdict:
    return claims.verdict(claims.parse({"id": "O1", "says": "so", **claim}), found)


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
    cells: dict[tuple[str, int, int, int], Cell] = {}
    for task in planned:
        key = (task.row.name, task.depth, task.width, task.epochs)
        made = cells.setdefault(key, Cell(*key, 1, 100, {}, {}))
        made.top1[str(task.seed)] = 0.5
        if task.epochs:
            made.curves[str(task.seed)] = [0.5] * task.epochs
    found = replace(results(), cells=tuple(cells.values()))
    for claim in map(claims.parse, table.claims):
        claims.check(claim, [row.name for row in table.rows])
        judged = claims.verdict(claim, found).verdict
        assert (judged == kinds.UNMEASURED) == isinstance(claim, kinds.Smaller)  # nothing was learned here
    assert page(table, found).startswith(f"# {table.title}")
    assert figures.svg(table, found).startswith(b"<?xml")


def test_tables_share_what_they_declare_alike_and_nothing_else() -> None:
    t1, t4 = (list(tasks.measures(grid.load(name))) for name in ("t1", "t4"))
    by_digest = {task.digest: task for task in t1}
    shared = [(task, by_digest[task.digest]) for task in t4 if task.digest in by_digest]
    assert {(a.row.name, b.row.name) for a, b in shared} == {("order 1", "SWS")}
    needs = tasks.with_needs(iter([*t1, *t4]))
    assert len({task.digest for task in needs}) == len(needs)
    for i, task in enumerate(needs):
        assert all(need in needs[:i] for need in task.needs)


def test_whatever_decides_a_result_changes_the_digest_and_a_name_does_not() -> None:
    first = next(tasks.measures(grid.load("t1")))
    learn = first.learn
    others = [
        replace(first, depth=7),
        replace(first, learn=replace(learn, job=replace(learn.job, seed=9))),
        replace(first, learn=replace(learn, ancestor=replace(learn.ancestor, seed=9))),  # type: ignore[type-var]
        replace(first, row=replace(first.row, options={"order": "front-last-mid"})),
        replace(first, epochs=1),
    ]
    assert len({first.digest, *(other.digest for other in others)}) == 6
    renamed = replace(learn, name="other", job=replace(learn.job, name="other"))
    assert replace(first, learn=renamed, row=replace(first.row, name="else")).digest == first.digest


def test_defaults_that_digests_leave_out_are_those_of_this_format() -> None:
    first = next(tasks.measures(grid.load("t1")))
    fit = asdict(FitJob("any", 1, 1, first.learn.job.data)) | {"data": None}  # type: ignore[arg-type]
    tuning = asdict(replace(first, epochs=1, training={}).job("any").tuning(1, width=96, fused_attention=False))
    pinned = tasks.digest({"fit": fit, "tuning": tuning})
    assert pinned == "e33b291cec2a19f8", "these defaults decide outcomes: raise tasks.FORMAT, then pin them"


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


def test_the_interval_of_a_difference_is_that_of_a_paired_t_test() -> None:
    one, other = [0.81, 0.83, 0.80, 0.86], [0.78, 0.81, 0.80, 0.80]
    by = difference([dict(zip("0123", one, strict=True))], [dict(zip("0123", other, strict=True))])
    expected = stats.ttest_rel(one, other).confidence_interval(0.95)
    assert by.interval == pytest.approx((100 * expected.low, 100 * expected.high))
    assert by.value == pytest.approx(2.75)


def test_above_holds_weakens_or_does_not() -> None:
    found = results(
        a={6: [60, 61, 62], 7: [70, 71, 72]},
        b={6: [50, 52, 51], 7: [65, 66, 68]},
        c={6: [10, 90, 30], 7: [65, 66, 68]},
        d={6: [50, 52, 51], 7: [71, 72, 73]},
    )
    assert judged(found, kind="above", row="a", than="b").verdict == kinds.HOLDS
    assert judged(found, kind="above", row="b", than="a").verdict == kinds.NOT
    unsure = judged(found, kind="above", row="a", than="c")
    assert (unsure.verdict, "95 % interval -" in unsure.why) == (kinds.WEAKER, True)
    partly = judged(found, kind="above", row="a", than="d", because="d is deep")
    assert (partly.verdict, partly.why) == (kinds.WEAKER, "not at 7; d is deep")
    assert judged(found, kind="above", row="a", than="d", depths=[6]).here.startswith("61.0 to 51.0; by 10.0")
    fewer = judged(found, kind="above", row="a", than="b", depths=[6, 7, 8])
    assert (fewer.verdict, fewer.why) == (kinds.UNMEASURED, "a is not there at 8")
    assert judged(found, kind="above", row="a", than="e").why == "e is not there"
    lacks = replace(
        found, cells=tuple(replace(c, top1=c.top1 | {"3": 0.0}) if c.row == "b" else c for c in found.cells)
    )
    assert judged(lacks, kind="above", row="a", than="b") == judged(found, kind="above", row="a", than="b")
    single = replace(found, cells=tuple(replace(c, top1={"0": c.top1["0"]}) for c in found.cells))
    assert judged(single, kind="above", row="a", than="b").why == "one seed"


def test_same_trend_peak_gap_chance_and_near() -> None:
    found = results(
        up={6: [50, 51, 52], 7: [60, 61, 62], 8: [70, 71, 73]},
        dip={6: [50, 51, 52], 7: [40, 41, 42], 8: [70, 71, 73]},
        top={6: [50, 51, 52], 7: [60, 61, 62], 8: [55, 56, 57.5]},
        wide={6: [49, 51, 53], 7: [60, 61, 62]},
    )
    assert judged(found, kind="trend", row="up", direction="up").verdict == kinds.HOLDS
    assert judged(found, kind="trend", row="up", direction="down").verdict == kinds.NOT
    assert judged(found, kind="trend", row="dip", direction="up").why == "falls at 7"
    assert judged(found, kind="peak", row="top", least=7, most=7).verdict == kinds.HOLDS
    assert judged(found, kind="peak", row="up", least=6, most=7).why == "peaks at 8"
    assert judged(found, kind="same", row="up", than="dip", depths=[6, 8]).verdict == kinds.HOLDS
    assert judged(found, kind="same", row="up", than="dip", depths=[6, 7]).here == "differ at 7"
    assert judged(found, kind="gap", row="up", than="top", first=7, last=8).verdict == kinds.HOLDS
    assert judged(found, kind="gap", row="up", than="top", first=8, last=7).verdict == kinds.NOT
    assert judged(found, kind="chance", row="top", most=61).verdict == kinds.HOLDS
    assert judged(found, kind="chance", row="up", most=61).verdict == kinds.NOT
    assert judged(found, kind="peak", row="up", least=6, most=8).verdict == kinds.NOT
    assert judged(found, kind="near", row="up", than="top", within=1, depths=[6, 7]).verdict == kinds.HOLDS
    assert judged(found, kind="near", row="wide", than="top", within=1, depths=[6]).verdict == kinds.WEAKER
    assert judged(found, kind="near", row="up", than="top", within=1).why == "not at 8"
    assert judged(found, kind="near", row="up", than="top", within=1, loses=True).verdict == kinds.HOLDS
    assert judged(found, kind="near", row="top", than="up", within=1, loses=True).verdict == kinds.NOT


def test_a_learngene_stores_less_than_others_together() -> None:
    found = replace(
        results(), learned={"one": {"0": {"stored": 10}}, "a": {"0": {"stored": 8}}, "b": {"0": {"stored": 7}}}
    )
    smaller = judged(found, kind="smaller", learngene="one", than=["a", "b"])
    assert (smaller.verdict, smaller.here) == (kinds.HOLDS, "10 to 15: 1.5 times")
    assert judged(found, kind="smaller", learngene="one", than=["a"]).verdict == kinds.NOT
    assert judged(found, kind="smaller", learngene="one", than=["c"]).why == "c is not there"


def test_sooner_counts_the_epochs_to_what_the_other_ends_with() -> None:
    fast = Cell("fast", 6, 96, 3, 1, 100, {"0": 0.9, "1": 0.9}, {"0": [0.7, 0.8, 0.9], "1": [0.5, 0.81, 0.9]})
    slow = Cell("slow", 6, 96, 6, 1, 100, {"0": 0.8, "1": 0.8}, {k: [0.1, 0.2, 0.3, 0.4, 0.5, 0.8] for k in "01"})
    found = replace(results(), cells=(fast, slow))
    verdict = judged(found, kind="sooner", row="fast", than="slow", times=3)
    assert (verdict.verdict, verdict.here) == (kinds.HOLDS, "of 2 pairs the median is 3.0 times, the least 3.0")
    assert judged(found, kind="sooner", row="fast", than="slow", times=4).verdict == kinds.NOT
    third = {"0": [0.9], "1": [0.5, 0.8, 0.9], "2": [0.5, 0.6, 0.7, 0.9]}
    three = replace(slow, top1=dict.fromkeys("012", 0.8), curves=dict.fromkeys("012", slow.curves["0"]))
    some = replace(found, cells=(replace(fast, top1=three.top1, curves=third), three))
    assert judged(some, kind="sooner", row="fast", than="slow", times=2).why == "less than 2 times in some"
    assert judged(some, kind="sooner", row="fast", than="slow", times=2).verdict == kinds.WEAKER
    never = replace(found, cells=(replace(fast, curves={"0": [0.1], "1": [0.2]}), slow))
    assert judged(never, kind="sooner", row="fast", than="slow", times=1).why == "2 of 2 never got there"


def test_sooner_counts_what_is_there_before_any_tuning() -> None:
    """Tuning may take away what a start had: then it is never there again, and was at once."""
    there, lost = (Cell("fast", 6, 96, e, 1, 100, {"0": v, "1": v}, c) for e, v, c in ((0, 0.8, {}), (1, 0.7, LOST)))
    slow = Cell("slow", 6, 96, 2, 1, 100, {"0": 0.8, "1": 0.8}, {k: [0.1, 0.8] for k in "01"})
    found = replace(results(), cells=(there, lost, slow))
    verdict = judged(found, kind="sooner", row="fast", than="slow", times=100)
    assert (verdict.verdict, verdict.here) == (kinds.HOLDS, "2 of 2 pairs are there untuned")
    half = replace(found, cells=(replace(there, top1={"0": 0.8, "1": 0.79}), lost, slow))
    verdict = judged(half, kind="sooner", row="fast", than="slow", times=1)
    assert (verdict.verdict, verdict.why) == (kinds.NOT, "1 of 2 never got there")
    assert verdict.here == "1 of 2 pairs are there untuned, the median never gets there"


def test_what_is_surely_the_other_way_is_not_undecided() -> None:
    """Both do not hold; of one the seeds can tell that it is the reverse."""
    found = results(low={6: [60, 61, 62]}, high={6: [70, 71, 72]}, level={6: [60.5, 60.8, 62.2]})
    reverse, level = (judged(found, kind="above", row="low", than=than) for than in ("high", "level"))
    assert (reverse.verdict, level.verdict) == (kinds.NOT, kinds.NOT)
    assert "surely the other way: 95 % interval" in reverse.why
    assert (reverse.undecided, level.undecided) == (False, True)


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    found = replace(results(a={6: [60, 61]}), learned={"sws": {"0": {"accuracy": 0.5}}})
    write(found, tmp_path / "a.json")
    assert read(tmp_path / "a.json") == found
    (tmp_path / "a.json").write_text((tmp_path / "a.json").read_text().replace('"seconds"', '"hours"'))
    with pytest.raises(InvalidValue, match=r"a\.json is not as this version writes it .*; delete it"):
        read(tmp_path / "a.json")

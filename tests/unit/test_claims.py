"""When a claim holds, when it holds weaker, and when nothing can be said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cases.evidence import judged, made, results
from scipy import stats

from experiments import claim_kinds as kinds
from experiments import claims, grid, tasks
from experiments.page import page
from experiments.results import Cell
from experiments.statistics import difference

LOST = {"0": [0.7], "1": [0.7]}


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
        flat={6: [59.9, 61.5, 61], 7: [60, 61, 62], 8: [55, 56, 57.5]},
        far={6: [47, 50.8, 50.5], 7: [60, 61, 62]},
    )
    assert judged(found, kind="trend", row="up", direction="up").verdict == kinds.HOLDS
    assert judged(found, kind="trend", row="up", direction="down").verdict == kinds.NOT
    assert judged(found, kind="trend", row="dip", direction="up").why == "falls at 7"
    assert judged(found, kind="peak", row="top", least=7, most=7).verdict == kinds.HOLDS
    assert judged(found, kind="peak", row="up", least=6, most=7).why == "peaks at 8"
    flat = judged(found, kind="peak", row="flat", least=7, most=7)
    assert (flat.verdict, flat.why, flat.undecided) == (kinds.WEAKER, "not surely above 6", True)
    assert judged(found, kind="peak", row="flat", least=6, most=7).verdict == kinds.HOLDS
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
    lost = judged(found, kind="near", row="top", than="up", within=1, loses=True)
    assert (lost.verdict, lost.why, lost.undecided) == (kinds.NOT, "not at 8", False)
    unsure = judged(found, kind="near", row="far", than="top", within=1, depths=[6])
    assert (unsure.verdict, unsure.undecided) == (kinds.NOT, True)
    assert unsure.why.startswith("not at 6; 95 % interval -")


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
    assert (verdict.verdict, verdict.here) == (kinds.HOLDS, "of 2 pairs the median is 3.0 times sooner, the least 3.0")
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


@pytest.mark.parametrize("name", ["half", "t1", "t3", "smoke"])
def test_what_is_half_measured_is_judged_as_if_all_were_there_or_not_at_all(name: str) -> None:
    """Whatever row, size, seed or tuning is not there yet: no verdict comes of the rest alone."""
    table = grid.load(name)
    planned = list(tasks.measures(table))
    whole = made(planned, lambda task: True)
    judged = [claims.verdict(claims.parse(claim), whole) for claim in table.claims]
    for row in table.rows:
        absent = {(row.name, None, None, None)} | {
            part
            for task in planned
            if task.row is row
            for part in (
                (row.name, task.epochs, None, None),
                (row.name, None, task.depth, None),
                (row.name, None, None, task.seed),
            )
        }
        for one in absent:

            def there(task: tasks.Measure, one: tuple[Any, ...] = one) -> bool:
                mine = (task.row.name, task.epochs, task.depth, task.seed)
                return any(b not in (None, a) for a, b in zip(mine, one, strict=True))

            partial = made(planned, there)
            for claim, before in zip(map(claims.parse, table.claims), judged, strict=True):
                found = claims.verdict(claim, partial)
                assert found == before or found.verdict == kinds.UNMEASURED, (one, claim.says)
        assert page(table, partial).startswith(f"# {table.title}")

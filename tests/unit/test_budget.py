from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, fields, replace
from typing import Any

import pytest
from cases import learngenepool, wave
from cases.measurements import learngene, sizes, top1
from hypothesis import given, settings
from hypothesis import strategies as st

from learngenes import gene
from learngenes.budget.offers import FEW_SIZES, HEADER_ENTRY_BYTES, columns
from learngenes.budget.ranking import Budget, Exclusion, Ranking, plan
from learngenes.errors import InvalidValue, UnknownName
from learngenes.gene import Manifest, Parent
from learngenes.initialize import Request, initialize
from learngenes.recipe import DTYPES, file_layout
from learngenes.sizes import Size, SizeSpace, Steps

MEASURED = [top1(depth, width, 0.1 + depth / 40 + width / 400) for depth in (4, 8, 12) for width in (32, 64)]
FAST = [top1(depth, 64, 0.5 * depth, metric="latency_ms") for depth in (4, 12)]


def members(steps: Steps | None) -> Iterable[int]:
    assert steps is not None
    return range(steps.first, steps.last + 1, steps.step)


def of(exclusion: Exclusion) -> list[Size]:
    return [Size(depth, width) for depth in members(exclusion.depths) for width in members(exclusion.widths)]


def cost(manifest: Manifest, size: Size, dtype: str) -> dict[str, int]:
    """What a size costs, by its recipe."""
    from learngenes.families import architectures

    recipe = initialize(manifest, Request(depth=size.depth, width=size.width, dtype=dtype))
    return {
        "max_params": architectures.parameters(recipe.geometry),
        "max_macs": architectures.macs(recipe.geometry),
        "max_bytes": file_layout(recipe).size,
    }


LEARNGENE = learngene([*MEASURED, *FAST])
COSTS = {dtype: {size: cost(LEARNGENE, size, dtype) for size in sizes(LEARNGENE)} for dtype in DTYPES}
NEAR = {
    what: st.sampled_from(sorted({costs[what] for costs in COSTS["f32"].values()})).flatmap(
        lambda n: st.integers(max(1, n - 1), n + 1)
    )
    for what in ("max_params", "max_macs", "max_bytes")
}
"""Limits at, just below and just above the cost of some size."""

budgets = st.builds(
    Budget,
    **{what: st.one_of(st.none(), limit) for what, limit in NEAR.items()},
    max_latency_ms=st.one_of(st.none(), st.floats(1, 8)),
)


@settings(deadline=None, max_examples=40)
@given(budgets, st.sampled_from(list(DTYPES)))
def test_candidates_are_what_fits_and_exclusions_are_exactly_the_rest(budget: Budget, dtype: str) -> None:
    ranking = plan([LEARNGENE], budget, dtype=dtype, limit=None)
    fits = {
        size
        for size, costs in COSTS[dtype].items()
        if all(limit is None or costs[what] <= limit for what, limit in asdict(budget).items() if what in costs)
    }
    if budget.max_latency_ms is not None:
        fits &= {s for s in fits if s.width == 64 and 4 <= s.depth <= 12 and 0.5 * s.depth <= budget.max_latency_ms}
    found = [Size(candidate.depth, candidate.width) for candidate in ranking.candidates]
    assert Counter(found) == Counter(fits)
    assert ranking.total == len(fits) == ranking.measured + ranking.interpolated + ranking.unknown
    left_out = [size for exclusion in ranking.exclusions for size in of(exclusion)]
    assert Counter(left_out) == Counter(sizes(LEARNGENE) - fits)
    for exclusion in ranking.exclusions:
        assert exclusion.sizes == len(of(exclusion))


@settings(deadline=None, max_examples=40)
@given(budgets)
def test_every_reason_is_true(budget: Budget) -> None:
    for exclusion in plan([LEARNGENE], budget).exclusions:
        limit = f"max_{exclusion.limit}"
        if limit in COSTS["f32"][Size(1, 16)]:
            assert all(COSTS["f32"][size][limit] > getattr(budget, limit) for size in of(exclusion))


@settings(deadline=None, max_examples=40)
@given(budgets, st.data())
def test_a_tighter_budget_never_has_a_better_best(budget: Budget, data: st.DataObject) -> None:
    def tighter(what: str, limit: float | None) -> Any:
        if what == "max_latency_ms":
            return data.draw(st.one_of(st.just(limit), st.floats(1, limit or 8)))
        return data.draw(st.one_of(st.just(limit), st.integers(1, int(limit or 10**7))))

    tight = Budget(**{what: tighter(what, limit) for what, limit in asdict(budget).items()})
    wide, narrow = (best(plan([LEARNGENE], each, limit=None)) for each in (budget, tight))
    assert narrow <= wide


def best(ranking: Ranking) -> float:
    values = [candidate.quality.value for candidate in ranking.candidates]
    return -1.0 if not values or values[0] is None else values[0]


@settings(deadline=None, max_examples=40)
@given(budgets)
def test_candidates_come_best_first_and_unknown_last(budget: Budget) -> None:
    values = [candidate.quality.value for candidate in plan([LEARNGENE], budget, limit=None).candidates]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=True)
    assert values[len(known) :] == [None] * (len(values) - len(known))


@pytest.mark.parametrize("dtype", DTYPES)
def test_costs_are_those_of_the_recipe(dtype: str) -> None:
    for candidate in plan([LEARNGENE], Budget(), dtype=dtype, limit=None).candidates:
        expected = COSTS[dtype][Size(candidate.depth, candidate.width)]
        assert (candidate.params, candidate.macs, candidate.bytes) == tuple(expected.values())


def test_a_tensor_takes_no_more_of_a_header_than_is_allowed_for() -> None:
    recipe = initialize(LEARNGENE, Request(depth=24, width=64, dtype="bf16"))
    assert len(file_layout(recipe).header) < HEADER_ENTRY_BYTES * len(recipe.entries) / 2


def test_reasons_are_ranges_with_both_values() -> None:
    ranking = plan([learngene(MEASURED, depths=512)], Budget(max_params=400_000))
    assert [exclusion.reason for exclusion in ranking.exclusions] == [
        "depths 122 to 512 at width 16: 401K parameters or more, above 400K",
        "depths 32 to 512 at width 32: 409K parameters or more, above 400K",
        "depths 15 to 512 at width 48: 427K parameters or more, above 400K",
        "depths 8 to 512 at width 64: 404K parameters or more, above 400K",
    ]


def test_values_that_a_few_digits_do_not_tell_apart_are_given_in_full() -> None:
    params = COSTS["f32"][Size(24, 64)]["max_params"]
    (exclusion,) = plan([LEARNGENE], Budget(max_params=params - 1)).exclusions
    assert exclusion.reason == f"depth 24 at width 64: {params:,} parameters, above {params - 1:,}"


def test_widths_left_out_alike_are_one_reason() -> None:
    (exclusion,) = plan([learngene()], Budget(max_params=1)).exclusions
    assert exclusion.reason.startswith("depths 1 to 24 at widths 16 to 64 in steps of 16: ")
    assert exclusion.sizes == 96


def test_without_a_measured_latency_a_limit_on_it_leaves_nothing_and_says_so() -> None:
    ranking = plan([learngene(MEASURED)], Budget(max_latency_ms=10.0))
    assert ranking.candidates == ()
    (exclusion,) = ranking.exclusions
    assert exclusion.limit == "latency_ms"
    assert "no latency measured" in exclusion.reason


def test_a_candidate_says_how_it_is_known() -> None:
    ranking = plan([LEARNGENE], Budget(), limit=None)
    kinds = {Size(c.depth, c.width): c.quality.kind for c in ranking.candidates}
    assert kinds[Size(4, 64)] == "measured"
    assert kinds[Size(5, 64)] == kinds[Size(5, 48)] == "interpolated"
    assert kinds[Size(13, 64)] == kinds[Size(5, 16)] == "unknown"
    assert any("interpolated" in note for note in ranking.notes)


def test_learngenes_compete_and_one_without_measurements_comes_last() -> None:
    other = learngene([top1(8, 64, 0.9)], name="other")
    silent = learngene(name="silent")
    ranking = plan([learngene(MEASURED), other, silent], Budget(), limit=None)
    assert ranking.candidates[0].learngene == "other@1"
    assert ranking.candidates[-1].quality.value is None
    assert "learngene silent@1 was not measured so: its sizes are unknown, and last" in ranking.notes


def test_tuned_accuracies_rank_apart_from_untuned_ones() -> None:
    tuned = top1(4, 32, 0.99, epochs_after=10)
    assert best(plan([learngene([*MEASURED, tuned])], Budget(), epochs_after=10)) == 0.99
    assert best(plan([learngene([*MEASURED, tuned])], Budget())) < 0.9


def test_a_size_that_has_to_be_fitted_is_marked_until_somebody_fitted_it() -> None:
    manifest, _ = wave.make(sizes=((4, 32),))
    manifest = replace(manifest, quality=(top1(4, 32, 0.5), top1(2, 32, 0.4)))

    def marked(*given: Manifest, **options: Any) -> dict[Size, bool]:
        ranking = plan(given, Budget(), dataset="digits", limit=2, **options)
        assert {candidate.learngene for candidate in ranking.candidates} == {manifest.reference}
        return {Size(c.depth, c.width): c.needs_learning for c in ranking.candidates}

    assert marked(manifest) == {Size(4, 32): False, Size(3, 32): True}
    size = Size(3, 32)
    child = replace(
        manifest,
        name=gene.fitted_name(manifest.name, size),
        space=SizeSpace(Steps(3, 3), Steps(32, 32)),
        quality=(top1(3, 32, 0.6),),
        parent=Parent(manifest.reference, manifest.digest),
    )
    assert marked(manifest, fitted=lambda m, s: child if s == size else None)[size] is False
    assert marked(manifest, child) == {size: False, Size(4, 32): False}


def test_a_space_of_few_sizes_says_why_some_of_them_can_not_be() -> None:
    manifest, _ = learngenepool.make()
    ranking = plan([manifest], Budget(), limit=None)
    assert len(sizes(manifest)) <= FEW_SIZES
    found = {Size(candidate.depth, candidate.width) for candidate in ranking.candidates}
    left_out = {size for exclusion in ranking.exclusions for size in of(exclusion)}
    assert found | left_out == sizes(manifest)
    assert not found & left_out
    for candidate in ranking.candidates:
        assert candidate.params == cost(manifest, Size(candidate.depth, candidate.width), "f32")["max_params"]


def test_a_learngene_this_library_can_not_expand_is_left_out_with_the_reason() -> None:
    (exclusion,) = plan([replace(learngene(), method_version=99)], Budget()).exclusions
    assert (exclusion.depths, exclusion.widths, exclusion.limit) == (None, None, "method")
    assert "version 99" in exclusion.reason


def test_a_large_space_is_planned_without_planning_each_size() -> None:
    manifest = learngene(MEASURED, depths=512)
    assert sum(len(column.depths) for column in columns(manifest)) == 2048
    assert plan([manifest] * 4, Budget(max_params=10**6), limit=5).total > 1000


def test_the_ranking_is_plain_json() -> None:
    ranking = plan([LEARNGENE], Budget(max_params=300_000, max_latency_ms=6.0))
    table = json.loads(json.dumps(asdict(ranking), allow_nan=False))
    assert table["budget"]["max_params"] == 300_000
    assert table["candidates"][0]["latency_ms"]["kind"] in ("measured", "interpolated")
    assert table.keys() == {entry.name for entry in fields(Ranking)}


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "24M"])
def test_a_limit_is_a_whole_number_above_zero(limit: Any) -> None:
    with pytest.raises(InvalidValue, match="max_params is a whole number above 0"):
        Budget(max_params=limit)


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan"), float("inf")])
def test_a_latency_is_a_number_above_zero(limit: float) -> None:
    with pytest.raises(InvalidValue, match="max_latency_ms is a number above 0"):
        Budget(max_latency_ms=limit)


def test_a_dtype_and_a_data_set_nobody_knows_are_refused() -> None:
    with pytest.raises(UnknownName, match="dtype"):
        plan([LEARNGENE], Budget(), dtype="f8")
    with pytest.raises(UnknownName, match="did you mean 'digits'"):
        plan([LEARNGENE], Budget(), dataset="digit")


def test_nothing_to_plan_with_is_an_empty_ranking() -> None:
    assert plan([], Budget()).total == 0

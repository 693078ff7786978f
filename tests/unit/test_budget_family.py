"""Sizes that were fitted: what was measured of them counts there, and says nothing of sizes that answer unfitted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import factories
import pytest
from cases import wave
from cases.measurements import learngene, top1

from learngenes import gene
from learngenes.__main__ import main
from learngenes.budget.curves import Estimate
from learngenes.budget.family import alone, measurements
from learngenes.budget.ranking import Budget, plan
from learngenes.gene import Manifest, Parent, Quality
from learngenes.sizes import Size, SizeSpace, Steps
from learngenes.store.local import LocalStore


def fitted(manifest: Manifest, depth: int, width: int, quality: Iterable[Quality]) -> Manifest:
    return replace(
        manifest,
        name=gene.fitted_name(manifest.name, Size(depth, width)),
        space=SizeSpace(Steps(depth, depth), Steps(width, width)),
        quality=tuple(quality),
        parent=Parent(manifest.reference, manifest.digest),
    )


def estimates(*given: Manifest) -> dict[Size, Estimate]:
    found = plan(given, Budget(), dataset="digits", limit=None).candidates
    return {Size(one.depth, one.width): one.quality for one in found}


PLAIN = learngene([top1(depth, 64, value) for depth, value in ((4, 0.2), (8, 0.3), (12, 0.4))])


@pytest.mark.parametrize("seed", [0, 1])
def test_what_was_measured_of_a_fitted_size_stands_in_place_of_the_plain_descendants(seed: int) -> None:
    other = replace(top1(8, 64, 0.1), split="train")
    manifest = replace(PLAIN, quality=(*PLAIN.quality, other))
    child = fitted(manifest, 8, 64, [top1(8, 64, 0.6, seed=seed)])
    assert measurements(manifest, [child]) == (PLAIN.quality[0], PLAIN.quality[2], other, *child.quality)
    assert estimates(manifest, child)[Size(8, 64)].value == 0.6


def test_between_sizes_that_answer_unfitted_nothing_is_guessed_from_fitted_ones() -> None:
    children = [fitted(PLAIN, depth, 64, [top1(depth, 64, 0.9)]) for depth in (4, 8, 10)]
    assert alone(PLAIN, children) == {Size(4, 64), Size(8, 64), Size(10, 64)}
    found = estimates(PLAIN, *children)
    assert [found[Size(depth, 64)].value for depth in (4, 8, 10, 12)] == [0.9, 0.9, 0.9, 0.4]
    assert {found[Size(depth, 64)].kind for depth in (5, 6, 7, 9, 11)} == {"unknown"}
    one = estimates(PLAIN, fitted(PLAIN, 6, 64, [top1(6, 64, 0.9)]))
    assert (one[Size(6, 64)].value, one[Size(5, 64)].value) == (0.9, pytest.approx(0.225))


def test_between_sizes_that_all_have_to_be_fitted_fitted_ones_count() -> None:
    manifest, _ = wave.make(sizes=((4, 32),))
    manifest = replace(manifest, quality=(top1(4, 32, 0.5),))
    child = fitted(manifest, 2, 32, [top1(2, 32, 0.3)])
    assert alone(manifest, [child]) == frozenset()
    assert estimates(manifest, child)[Size(3, 32)].value == pytest.approx(0.4)


def test_a_budget_of_one_named_learngene_knows_what_was_fitted_to_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, raw = factories.learngene()
    manifest = replace(manifest, quality=(top1(4, 32, 0.3),))
    child = fitted(manifest, 4, 32, [top1(4, 32, 0.7)])
    factories.catalog(None, (manifest, raw), (child, raw), store=LocalStore(tmp_path))
    assert main(["plan", "tiny", "--store", str(tmp_path), "--max-params", "1M", "--limit", "1", "--json"]) == 0
    (best,) = json.loads(capsys.readouterr().out)["candidates"]
    assert (best["learngene"], best["depth"], best["quality"]["value"]) == ("tiny@1", 4, 0.7)

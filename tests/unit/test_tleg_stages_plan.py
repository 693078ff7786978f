"""TLEG with a line for every stage: block i of the n of a stage is base + i/n * slope of that stage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cases import made, tleg
from hypothesis import given
from hypothesis import strategies as st

from learngenes import spec
from learngenes.errors import BadManifest, InvalidValue
from learngenes.families.vit import shapes
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.methods.tleg.options import LearnOptions
from learngenes.planning.stages import StageOptions, layer_map
from learngenes.stream import assemble, stream
from learngenes.tensorfile import FloatArray, TensorFile, write

STAGES = (2, 3, 1)
MANIFEST, RAW = tleg.make(stages=STAGES)
LEARNGENE = TensorFile(RAW)
SELECTIONS = ("uniform", "random", "importance")
TABLE: dict[str, Any] = {
    "name": "line",
    "method": "tleg",
    "geometry": {"depth": 4, "width": 16, "heads": 2, "patch": 4, "image": 8, "classes": 10, "channels": 1},
    "data": {"train": "digits:train", "test": "digits:test", "mean": [0.3], "std": [0.38]},
    "training": {"epochs": 1, "batch": 64, "learning_rate": 1e-3},
    "options": {"alpha": 0.0},
}


def built(manifest: Manifest, stored: TensorFile, **wanted: Any) -> TensorFile:
    return TensorFile(b"".join(stream(assemble(initialize(manifest, Request(**wanted)), stored))))


def tensors(file: TensorFile) -> dict[str, FloatArray]:
    return {name: file.array(name) for name in file.tensors}


@given(depth=st.integers(1, 40))
def test_every_block_is_a_point_of_its_stages_line_where_sws_lays_that_stage_out(depth: int) -> None:
    recipe = initialize(MANIFEST, Request(depth=depth))
    assert recipe.layer_map == layer_map(depth, STAGES, StageOptions())
    file = TensorFile(b"".join(stream(assemble(recipe, LEARNGENE))))
    seen = [0] * len(STAGES)
    for at, stage in enumerate(recipe.layer_map):
        share = np.float32(seen[stage] / recipe.layer_map.count(stage))
        seen[stage] += 1
        for name in ("attn.qkv.weight", "norm2.weight", "mlp.fc2.bias"):
            base, slope = (LEARNGENE.array(f"stages.{stage}.{part}.{name}") for part in ("base", "slope"))
            np.testing.assert_array_equal(file.array(f"blocks.{at}.{name}"), base + share * slope)


@pytest.mark.parametrize(
    "wanted",
    [{}, {"depth": 11}, {"depth": 2}, *({"depth": 7, "width": 16, "options": {"select": s}} for s in SELECTIONS)],
    ids=str,
)
def test_without_slopes_it_is_sws_with_the_bases_for_layers(wanted: dict[str, Any]) -> None:
    lengths = {"res": 32, **{f"stages.{m}.{what}": n for m in range(3) for what, n in (("heads", 4), ("hidden", 128))}}
    manifest, raw = tleg.make(stages=STAGES, rankings={f"rankings.{name}": n for name, n in lengths.items()})
    stored = TensorFile(raw)
    rankings: dict[str, Any] = {f"rankings.{name}": stored.indices(f"rankings.{name}") for name in lengths}
    values = {name: stored.array(name) for name in stored.tensors if name not in rankings}
    flat = {name: value * ("slope" not in name) for name, value in values.items()}
    layers = {name.replace(".base.", "."): value for name, value in values.items() if "slope" not in name}
    ours, theirs = (TensorFile(b"".join(write(table | rankings, "F32"))) for table in (flat, layers))
    sws, _ = made.staged(made.TINY, stages=STAGES, scores=True)
    found, expected = tensors(built(manifest, ours, **wanted)), tensors(built(sws, theirs, **wanted))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("wanted", [{"depth": 1}, {"depth": 6}, {"depth": 9, "width": 16}], ids=str)
def test_one_stage_is_plain_tleg(wanted: dict[str, Any]) -> None:
    plain, raw = tleg.make()
    stored = TensorFile(raw)
    renamed = {
        f"stages.0.{name}" if name.startswith(("base.", "slope.")) else name: stored.array(name)
        for name in stored.tensors
    }
    one, _ = tleg.make(stages=(6,))
    found = tensors(built(one, TensorFile(b"".join(write(renamed, "F32"))), **wanted))
    expected = tensors(built(plain, stored, **wanted))
    assert all(np.array_equal(found[name], value) for name, value in expected.items())
    assert found.keys() == expected.keys()


def test_another_width_picks_the_heads_and_units_of_each_stage_by_its_own_ranking() -> None:
    names = ["rankings.res", *(f"rankings.stages.{m}.{what}" for m in range(3) for what in ("heads", "hidden"))]
    lengths = {name: {"res": 32, "heads": 4, "hidden": 128}[name.rpartition(".")[2]] for name in names}
    manifest, raw = tleg.make(stages=STAGES, rankings=lengths)
    stored = TensorFile(raw)
    recipe = initialize(manifest, Request(width=16, options={"select": "importance", "scale": "none"}))
    file = TensorFile(b"".join(stream(assemble(recipe, stored))))
    assert {name: t.shape for name, t in file.tensors.items()} == shapes(recipe.geometry)
    wide, res = built(manifest, stored), np.sort(stored.indices("rankings.res")[:16])
    for at, stage in enumerate(recipe.layer_map):
        hidden = np.sort(stored.indices(f"rankings.stages.{stage}.hidden")[:64])
        fc2 = wide.array(f"blocks.{at}.mlp.fc2.weight")[np.ix_(res, hidden)]
        np.testing.assert_array_equal(file.array(f"blocks.{at}.mlp.fc2.weight"), fc2)


def test_stages_that_are_not_the_networks_layers_are_refused() -> None:
    wrong = replace(MANIFEST, method_facts={"stages": [2, 2]})
    with pytest.raises(BadManifest, match=r"stages \(2, 2\) are 4 layers, its network has 6"):
        initialize(wrong, Request())
    with pytest.raises(InvalidValue, match=r"each at least 1, or empty, got \[2, 0\]"):
        LearnOptions(stages=(2, 0))


def test_a_job_without_stages_is_written_as_before_there_were_any() -> None:
    job = spec.read("learn", TABLE)
    assert isinstance(job, spec.Learn)
    assert job.job.options == {"alpha": 0.0, "temperature": 1.0, "scored_images": 0}
    said = spec.read("learn", TABLE | {"options": {"alpha": 0.0, "stages": []}})
    assert spec.identify(said) == spec.identify(job)
    staged = spec.read("learn", TABLE | {"options": {"alpha": 0.0, "stages": [2, 2]}})
    assert spec.from_json(spec.to_json(staged)) == staged and spec.identify(staged) != spec.identify(job)

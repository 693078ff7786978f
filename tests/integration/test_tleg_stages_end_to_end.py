"""TLEG with a line for every stage: its own depth is the auxiliary network, one stage is plain TLEG."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry, block_shapes, frame_shapes
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.job import DataOptions, Learned, LearnJob, Stopped, TrainingOptions
from learngenes.methods.tleg.learn import Lines, learn, network
from learngenes.publish import publish
from learngenes.quality import load
from learngenes.store.memory import MemoryStore
from learngenes.tensorfile import TensorFile
from learngenes.training.vit import choose_attention

GEOMETRY = Geometry(depth=4, width=48, heads=3, patch=4, image=8, classes=10, channels=1)
DATA = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.38,), augment="light", padding=1, flip=0.0)
TRAINING = TrainingOptions(epochs=1, batch=64, learning_rate=3e-3, report_seconds=60)
STAGES = (1, 3)
JOB = LearnJob("lines", "tleg", GEOMETRY, DATA, TRAINING, options={"alpha": 0.0, "stages": list(STAGES)})
PIXELS = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def run(job: LearnJob, folder: Path, *, stops: bool = False) -> Learned | Stopped:
    return learn(job, run=folder, data=folder, report=lambda event: None, stop=lambda: stops)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Learned:
    made = run(replace(JOB, options={**JOB.options, "scored_images": 64}), tmp_path_factory.mktemp("lines"))
    assert isinstance(made, Learned)
    return made


@pytest.fixture(scope="module")
def published(learned: Learned) -> tuple[Manifest, TensorFile]:
    catalog = Catalog(MemoryStore())
    manifest = publish(JOB, learned, catalog=catalog)
    return manifest, catalog.open(manifest)


def filled(geometry: Geometry, stages: tuple[int, ...], tensors: TensorFile) -> Lines:
    """The network in torch, of the stored tensors, with attention as `load` has it."""
    made = network(geometry, stages).eval()
    with torch.no_grad():
        for name, value in made.learned().items():
            value.copy_(torch.tensor(tensors.array(name)))
    choose_attention(made, fused=False)
    return made


def test_each_stage_stores_its_own_base_and_slope_and_its_own_ranking(learned: Learned) -> None:
    block = block_shapes(GEOMETRY)
    pairs = {f"stages.{m}.{part}.{name}" for m in (0, 1) for part in ("base", "slope") for name in block}
    rankings = {"rankings.res", *(f"rankings.stages.{m}.{what}" for m in (0, 1) for what in ("heads", "hidden"))}
    assert learned.tensors.keys() == pairs | rankings | frame_shapes(GEOMETRY).keys()
    assert learned.facts == {"stages": [1, 3]}
    assert learned.record["accuracy"] > 0.2
    # A stage of one layer never leaves its base; the slope of one of several has learned.
    fresh = network(GEOMETRY, STAGES).learned()["stages.1.slope.norm1.weight"]
    assert not fresh.any() and learned.tensors["stages.1.slope.norm1.weight"].any()


def test_its_own_depth_is_the_auxiliary_network_and_gives_its_very_logits(
    published: tuple[Manifest, TensorFile],
) -> None:
    manifest, tensors = published
    descendant = load(initialize(manifest, Request()), tensors)
    auxiliary = filled(GEOMETRY, STAGES, tensors)
    state = descendant.state_dict()
    assert all(np.array_equal(state[name].numpy(), value) for name, value in auxiliary.arrays().items())
    assert torch.equal(descendant(PIXELS), auxiliary(PIXELS))


def test_another_depth_in_numpy_is_the_network_of_those_stages_in_torch(published: tuple[Manifest, TensorFile]) -> None:
    manifest, tensors = published
    recipe = initialize(manifest, Request(depth=7))
    assert recipe.layer_map == (0, 0, 0, 1, 1, 1, 1)
    found = load(recipe, tensors).state_dict()
    for name, value in filled(replace(GEOMETRY, depth=7), (3, 4), tensors).arrays().items():
        np.testing.assert_array_equal(found[name].numpy(), value)


def test_a_width_by_importance_computes(published: tuple[Manifest, TensorFile]) -> None:
    manifest, tensors = published
    model = load(initialize(manifest, Request(depth=5, width=32, options={"select": "importance"})), tensors)
    assert torch.isfinite(model(PIXELS)).all()


def test_one_stage_learns_what_plain_tleg_learns_bit_for_bit_and_both_go_on_when_stopped(tmp_path: Path) -> None:
    made = []
    for name, options in (("plain", {}), ("one", {"stages": [4]})):
        (folder := tmp_path / name).mkdir()
        job = replace(JOB, options={"alpha": 0.0, **options}, training=replace(TRAINING, batch=256))
        assert run(job, folder, stops=True) == Stopped("auxiliary", 1, 5)
        outcome = run(job, folder)
        assert isinstance(outcome, Learned)
        made.append({name.removeprefix("stages.0."): value for name, value in outcome.tensors.items()})
    plain, one = made
    assert plain.keys() == one.keys()
    assert all(np.array_equal(value, one[name]) for name, value in plain.items())


def test_stages_that_do_not_make_the_depth_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"depth is 4 and options.stages \[1, 2\] sum to 3; they have to agree, or"):
        run(replace(JOB, options={"alpha": 0.0, "stages": [1, 2]}), tmp_path)

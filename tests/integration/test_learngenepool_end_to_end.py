"""A learngene pool from images to descendants: learned, published, expanded, measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue
from learngenes.families.stitched import paths
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.job import AncestorOptions, DataOptions, Learned, LearnJob, Stopped, TrainingOptions
from learngenes.methods.learngenepool.learn import learn
from learngenes.methods.learngenepool.plan import narrower
from learngenes.publish import publish
from learngenes.quality import load, measure
from learngenes.store.memory import MemoryStore
from learngenes.tensorfile import TensorFile
from learngenes.training.data import open_images
from learngenes.training.stitched import Pool
from learngenes.training.vit import choose_attention

GEOMETRY = Geometry(depth=3, width=32, heads=4, patch=4, image=8, classes=10, channels=1)
DATA = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.38,), augment="light", padding=1, flip=0.0)
TRAINING = TrainingOptions(epochs=4, batch=128, learning_rate=4e-3, warmup_epochs=0.5, clip_grad=1.0, report_seconds=0)
ANCESTOR = AncestorOptions("vit", training=TRAINING)
JOB = LearnJob("pool", "learngenepool", GEOMETRY, DATA, TRAINING, ANCESTOR, options={"widths": [16, 32], "blocks": 3})
QUICK = replace(TRAINING, epochs=1, batch=256, warmup_epochs=0)
BRIEF = replace(JOB, training=QUICK, ancestor=AncestorOptions("vit", training=QUICK))
IMAGES = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(job: LearnJob, folder: Path, *, stop: Callable[[], bool] = lambda: False) -> Learned | Stopped:
    folder.mkdir(exist_ok=True)
    return learn(job, run=folder, data=folder, report=lambda event: None, stop=stop)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, TensorFile]:
    learned = run(JOB, tmp_path_factory.mktemp("pool"))
    assert isinstance(learned, Learned)
    catalog = Catalog(MemoryStore())
    manifest = publish(JOB, learned, catalog=catalog)
    return manifest, catalog.open(manifest)


def test_descendants_of_every_depth_know_the_digits_untuned(published: tuple[Manifest, TensorFile]) -> None:
    manifest, tensors = published
    images = open_images("digits:test", data=Path())
    measured = list(measure(manifest, tensors, depths=[3, 4, 5], images=images, source="digits:test", command=""))
    assert [(q.depth, q.width) for q in measured] == [(3, 32), (4, 32), (5, 32)]
    assert min(q.value for q in measured) > 0.25
    assert measured[0].value == manifest.training["accuracy"]
    assert manifest.training["auxiliary"].keys() == {"small", "large"}
    assert manifest.ancestor is not None and manifest.labels == tuple("0123456789")


def test_every_descendant_is_what_the_pool_computed_in_torch(published: tuple[Manifest, TensorFile]) -> None:
    manifest, tensors = published
    pool = Pool(narrower(GEOMETRY, 16), GEOMETRY, seed=0).eval()
    choose_attention(pool, fused=False)
    with torch.no_grad():
        for name, place in pool.named_parameters():
            place.copy_(torch.from_numpy(tensors.array(name).copy()))
    requests: dict[Any, Request] = {"small": Request(width=16), "large": Request()}
    requests |= {p: Request(depth=p.depth(3), options={"path": f"{p.leave}-{p.enter}"}) for p in paths(3)}
    with torch.inference_mode():
        for path, request in requests.items():
            descendant = load(initialize(manifest, request), tensors)
            assert torch.equal(descendant(IMAGES), pool.run(IMAGES, path)), path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """What BRIEF learns without being stopped."""
    learned = run(BRIEF, tmp_path_factory.mktemp("whole"))
    assert isinstance(learned, Learned)
    return learned


@pytest.mark.parametrize("phase", [1, 3])
def test_a_run_stopped_in_any_phase_goes_on_bit_for_bit(tmp_path: Path, whole: Learned, phase: int) -> None:
    steps = 5  # of an epoch, in each of ancestor, small, large, pool
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked == phase * steps + 2

    stopped = run(BRIEF, tmp_path / "parts", stop=stop)
    assert isinstance(stopped, Stopped)
    assert (stopped.phase, stopped.step) == (("ancestor", "small", "large", "pool")[phase], 2)
    again = run(BRIEF, tmp_path / "parts")
    assert isinstance(again, Learned)
    for name, tensor in whole.tensors.items():
        np.testing.assert_array_equal(again.tensors[name], tensor)


def test_an_ancestor_without_blocks_to_compare_is_refused_unless_its_logits_are_enough(tmp_path: Path) -> None:
    convolutional = AncestorOptions("resnet10t", arguments={"stem_width": 8}, training=QUICK)
    job = replace(BRIEF, ancestor=convolutional)
    with pytest.raises(InvalidValue, match=r"is a ResNet and not a plain ViT.*; set options.features = false to learn"):
        run(job, tmp_path / "run")
    learned = run(
        replace(job, options={**job.options, "features": False}), tmp_path / "run"
    )  # where the ancestor lies trained
    assert isinstance(learned, Learned) and learned.facts == {"widths": [16, 32]}


def test_the_authors_own_start_of_the_stitches_and_their_own_tuning(tmp_path: Path) -> None:
    tuning = {"epochs": 1, "batch": 128, "learning_rate": 1e-12, "min_lr": 0.0, "warmup_lr": 0.0, "weight_decay": 0.0}
    learned = run(replace(BRIEF, options={**BRIEF.options, "init": "ours", "pool": tuning}), tmp_path / "ours")
    assert isinstance(learned, Learned)
    assert (learned.record["batch"], learned.record["steps"]) == (128, 11)
    np.testing.assert_allclose(learned.tensors["stitches.0.weight"], learned.tensors["stitches.1.weight"], atol=1e-9)
    assert (learned.tensors["stitches.0.bias"] != learned.tensors["stitches.1.bias"]).any()


def test_between_equal_widths_nothing_is_stitched(tmp_path: Path) -> None:
    learned = run(replace(BRIEF, options={"widths": [32, 32], "blocks": 3}), tmp_path / "equal")
    assert isinstance(learned, Learned)
    assert {name.partition(".")[0] for name in learned.tensors} == {"small", "large"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"widths": [16, 48]}, "geometry.width is 32 and options.widths says 48 of the large network"),
        ({"blocks": 6}, "geometry.depth is 3 and options.blocks says 6 of the large network"),
        ({"widths": [12, 32]}, "width 12 is no multiple of 8"),
        ({"pool": {"epochs": 1, "batch": 8, "learning_rate": 1.0, "compile": True}}, "set pool.compile = false"),
    ],
)
def test_options_that_disagree_are_refused_before_anything_is_trained(
    tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidValue, match=told):
        run(replace(JOB, options={**JOB.options, **options}), tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())


def test_an_ancestor_of_another_width_can_not_start_the_stitches(tmp_path: Path) -> None:
    arguments = {"img_size": 8, "patch_size": 4, "depth": 2, "embed_dim": 24, "num_heads": 3}
    arguments |= {"class_token": False, "global_pool": "avg"}
    narrow = AncestorOptions("vit_tiny_patch16_224", arguments=arguments, training=QUICK)
    with pytest.raises(InvalidValue, match="as wide as the large network, they have 24 and 32"):
        run(replace(BRIEF, ancestor=narrow, options={**JOB.options, "init": "ours"}), tmp_path / "run")


def test_a_pool_needs_an_ancestor(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"method 'learngenepool' needs \[ancestor\]"):
        run(replace(JOB, ancestor=None), tmp_path / "run")

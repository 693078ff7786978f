"""Learning by SWS at several depths and by features: stopped and continued, recorded, expanded as ever."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from learngenes.__main__ import main
from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry
from learngenes.job import AncestorOptions, DataOptions, Learned, LearnJob, TrainingOptions
from learngenes.methods.sws import learn as sws
from learngenes.store.local import LocalStore
from learngenes.training import vit

GEOMETRY = Geometry(depth=5, width=32, heads=2, patch=4, image=8, classes=10, channels=1)
STAGES = (2, 1, 2)
DATA = DataOptions(
    train="digits:train", test="digits:test", mean=(0.3,), std=(0.38,), augment="light", padding=1, flip=0.0
)
TRAINING = TrainingOptions(
    epochs=2,
    batch=256,
    learning_rate=1e-3,
    warmup_epochs=0.5,
    clip_grad=1.0,
    drop_path=0.1,
    ema_decay=0.9,
    mixup=0.2,
    report_seconds=0,
)
ANCESTOR = AncestorOptions("vit", training=TrainingOptions(epochs=1, batch=256, learning_rate=1e-3, report_seconds=0))
PLAIN = {"stages": list(STAGES), "alpha": 0.7}

Losses = dict[tuple[str, int], float]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def job(**options: Any) -> LearnJob:
    return LearnJob("toy", "sws", GEOMETRY, DATA, TRAINING, ANCESTOR, {**PLAIN, **options})


def run_job(wanted: LearnJob, run: Path, *, stops: tuple[int, ...] = ()) -> tuple[Learned, Losses]:
    """To the end, stopped on the way after so many steps each time; the outcome and the loss by (phase, step)."""
    run.mkdir(exist_ok=True)
    losses: Losses = {}

    def report(event: dict[str, Any]) -> None:
        if event["event"] == "step":
            losses[event["phase"], event["step"]] = event["loss"]

    for limit in (*stops, 10**9):
        asked = itertools.count(1)
        outcome = sws.learn(wanted, run=run, data=Path("none"), report=report, stop=lambda: next(asked) >= limit)  # noqa: B023
    assert isinstance(outcome, Learned)
    return outcome, losses


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Learned, Losses, Path]:
    """Learning as published, its losses and its run directory."""
    run = tmp_path_factory.mktemp("published")
    return *run_job(job(), run), run


def test_a_run_as_published_is_the_same_however_it_is_asked_for(
    published: tuple[Learned, Losses, Path], tmp_path: Path
) -> None:
    outcome, losses, run = published
    spelt, same = run_job(job(depths="fixed", least_depth=0, features=0.0), tmp_path)
    assert same == losses
    assert all(np.array_equal(spelt.tensors[name], tensor) for name, tensor in outcome.tensors.items())
    with safe_open(run / "auxiliary.safetensors", framework="pt") as file:
        held = {name.removeprefix("model.") for name in file.keys() if name.startswith("model.")}  # noqa: SIM118
    assert held == {name for name, _ in vit.auxiliary(GEOMETRY, STAGES).named_parameters()}


@pytest.mark.parametrize(
    "options",
    [
        {"depths": "sampled", "least_depth": 2, "features": 0.5, "scored_images": 20},
        {"depths": "growing"},
    ],
    ids=["sampled", "growing"],
)
def test_a_run_interrupted_at_other_depths_gives_the_losses_and_tensors_of_an_uninterrupted_one(
    options: dict[str, Any], published: tuple[Learned, Losses, Path], tmp_path: Path
) -> None:
    whole, losses = run_job(job(**options), tmp_path / "whole")
    # The ancestor has 5 steps, the auxiliary network two epochs of 5: stops fall inside and at the end of epochs.
    resumed, again = run_job(job(**options), tmp_path / "run", stops=(2, 6, 2, 4))
    assert again == losses and len(losses) == 15
    assert all(np.array_equal(resumed.tensors[name], tensor) for name, tensor in whole.tensors.items())
    plain, theirs, _ = published
    shapes = {name: t.shape for name, t in whole.tensors.items() if not name.startswith("rankings.")}
    assert shapes == {name: t.shape for name, t in plain.tensors.items()}
    assert whole.facts == plain.facts and whole.record["options"] == PLAIN | options
    differ = {key for key in losses if losses[key] != theirs[key]}
    assert {phase for phase, _ in differ} == {"auxiliary"}


def test_features_of_an_ancestor_that_has_none_to_compare_are_refused_before_the_network_is_trained(
    tmp_path: Path,
) -> None:
    other = dataclasses.replace(ANCESTOR, architecture="resnet10t", arguments={"stem_width": 8, "channels": [8] * 4})
    wanted = dataclasses.replace(job(features=1.0), ancestor=other)
    with pytest.raises(InvalidValue, match=r"is a ResNet and not a plain ViT.*; set options\.features = 0"):
        run_job(wanted, tmp_path)
    assert not (tmp_path / "auxiliary.safetensors").exists()


def test_descendants_of_every_depth_that_was_trained_are_built_and_answer(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(
        """
        name = "digits"
        method = "sws"
        geometry = { depth = 5, width = 48, heads = 3, patch = 4, image = 8, classes = 10, channels = 1 }
        options = { stages = [2, 1, 2], alpha = 0.0, depths = "sampled" }
        training = { epochs = 6, batch = 64, learning_rate = 3e-3, warmup_epochs = 1, clip_grad = 1.0 }
        [data]
        train = "digits:train"
        test = "digits:test"
        mean = [0.3]
        std = [0.38]
        augment = "light"
        padding = 1
        flip = 0.0
        """
    )
    words = ["learn", str(tmp_path / "job.toml"), "--run", str(tmp_path / "run"), "--store", str(tmp_path / "store")]
    assert main([*words, "--measure", "3-6"]) == 0
    manifest = Catalog(LocalStore(tmp_path / "store")).get("digits")
    found = {q.depth: q.value for q in manifest.quality}
    assert found[5] == manifest.training["accuracy"]
    assert min(found[depth] for depth in (3, 4, 5)) > 0.5, found
    assert manifest.method_facts == {"stages": [2, 1, 2]}

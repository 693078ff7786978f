"""Making up for what a subclone lost: the closed form checked with torch, fitted, published and served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue, UnsupportedSize
from learngenes.families.vit import Geometry
from learngenes.fit_job import FitJob
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.job import AncestorOptions, DataOptions, Learned, LearnJob, Stopped
from learngenes.learners import FITTERS, LEARNERS
from learngenes.methods.subcloning.fit import least_squares
from learngenes.publish import publish, publish_fitted
from learngenes.quality import load
from learngenes.ready import planned
from learngenes.store.memory import MemoryStore
from learngenes.tensorfile import TensorFile
from learngenes.training.augment import Normalise, TestBatches
from learngenes.training.data import open_images
from learngenes.training.vit import network

GEOMETRY = Geometry(depth=4, width=48, heads=3, patch=4, image=8, classes=10, channels=1, class_token=True)
HEAD = GEOMETRY.width // GEOMETRY.heads
DATA = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.38,), augment="light", padding=1, flip=0.0)
JOB = LearnJob("digits", "subcloning", GEOMETRY, DATA, ancestor=AncestorOptions("vit", checkpoint="vit.safetensors"))

Parent = tuple[Catalog, Manifest, TensorFile]


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Parent:
    """A network that never learned, with weights large enough for its blocks to matter; scored and published."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    state = {name: value + 0.1 * torch.randn_like(value) for name, value in network(GEOMETRY).state_dict().items()}
    save_file(state, folder / "vit.safetensors")
    outcome = LEARNERS["subcloning"](JOB, run=folder, data=folder, report=lambda event: None, stop=lambda: False)
    assert isinstance(outcome, Learned)
    catalog = Catalog(MemoryStore())
    manifest = publish(JOB, outcome, catalog=catalog)
    return catalog, manifest, catalog.open(manifest)


def fit(parent: Parent, job: FitJob, *, stop: Callable[[], bool] = lambda: False) -> Learned | Stopped:
    _, manifest, tensors = parent
    return FITTERS["subcloning"](job, manifest, tensors, run=Path(), data=Path(), report=lambda event: None, stop=stop)


def test_least_squares_is_exact_where_what_is_gone_follows_from_what_is_left() -> None:
    draw = np.random.default_rng(0)
    left = draw.normal(1.0, 2.0, (500, 6))
    x = np.hstack([left, left @ draw.normal(size=(6, 4)) + 3.0])
    weight, bias = draw.normal(size=(5, 10)), draw.normal(size=5)
    made, shift = least_squares(weight, bias, x.mean(0), x.T @ x / len(x), kept=np.arange(6), ridge=1e-12)
    np.testing.assert_allclose(left @ made.T + shift, x @ weight.T + bias, atol=1e-6)


def test_least_squares_is_what_torch_finds() -> None:
    draw = np.random.default_rng(1)
    x = np.maximum(draw.normal(size=(400, 8)) @ draw.normal(size=(8, 8)) + 0.5, 0)
    weight, bias, kept = draw.normal(size=(3, 8)), draw.normal(size=3), np.array([0, 3, 4, 7])
    made, shift = least_squares(weight, bias, x.mean(0), x.T @ x / len(x), kept=kept, ridge=1e-12)
    inputs = torch.tensor(np.hstack([x[:, kept], np.ones((400, 1))]))
    found = torch.linalg.lstsq(inputs, torch.tensor(x @ weight.T + bias)).solution.numpy()
    np.testing.assert_allclose(np.hstack([made, shift[:, None]]), found.T, atol=1e-8)


def test_least_squares_survives_inputs_that_never_change() -> None:
    made, shift = least_squares(
        np.ones((2, 3)), np.zeros(2), np.full(3, 2.0), np.full((3, 3), 4.0), kept=np.array([0]), ridge=1e-3
    )
    assert not made.any() and shift.tolist() == [6.0, 6.0]


@pytest.mark.parametrize("depth", [3, 4, 6])
def test_a_fitted_size_is_served_when_its_parent_is_asked(parent: Parent, depth: int) -> None:
    catalog, manifest, tensors = parent
    job = FitJob(manifest.reference, depth, 32, DATA)
    outcome = fit(parent, job)
    assert isinstance(outcome, Learned)
    assert outcome.facts["fitted"] == {"compensate": "ls", "ridge": 0.03, "images": 1437}
    child = publish_fitted(job, manifest, outcome, catalog=catalog)
    recipe, chosen = planned(catalog, manifest, Request(depth=depth, width=32))
    assert chosen == child
    compensated = load(recipe, catalog.tensors(child))
    plain = load(initialize(manifest, Request(depth=depth, width=32)), tensors)
    untouched = [n for n in plain.state_dict() if f"fitted.{n}" not in outcome.tensors]
    assert len(untouched) == len(plain.state_dict()) - 4 * depth
    assert all(torch.equal(compensated.state_dict()[n], plain.state_dict()[n]) for n in untouched)
    for name, value in outcome.tensors.items():
        assert torch.equal(compensated.state_dict()[name.removeprefix("fitted.")], torch.tensor(value))


def entering(model: torch.nn.Module, path: str, pixels: Tensor) -> list[Tensor]:
    """What enters that layer of every block: (images * tokens, inputs)."""
    seen: list[Tensor] = []
    blocks: Any = model.blocks
    handles = [
        block.get_submodule(path).register_forward_pre_hook(lambda _, args: seen.append(args[0].flatten(0, 1)))
        for block in blocks
    ]
    with torch.inference_mode():
        model(pixels)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize(("layer", "kind"), [("attn.proj", "heads"), ("mlp.fc2", "hidden")])
def test_a_fitted_layer_comes_closer_to_its_parents_outputs_than_the_plain_one(
    parent: Parent, layer: str, kind: str
) -> None:
    _, manifest, tensors = parent
    outcome = fit(parent, FitJob(manifest.reference, 4, 32, DATA))
    assert isinstance(outcome, Learned)
    own = load(initialize(manifest, Request()), tensors)
    plain = load(initialize(manifest, Request(width=32)), tensors).state_dict()
    left = np.sort(tensors.indices("rankings.res")[:32])
    opened = open_images("digits:test", data=Path())
    pixels = Normalise(DATA)(TestBatches(opened, options=DATA, geometry=GEOMETRY, batch=360)[0][0])
    for block, inputs in enumerate(entering(own, layer, pixels)):
        name, ranked = f"blocks.{block}.{layer}", tensors.indices(f"rankings.blocks.{block}.{kind}")
        kept = np.sort(ranked[: 2 if kind == "heads" else 128])
        if kind == "heads":
            kept = (kept[:, None] * HEAD + np.arange(HEAD)).ravel()
        wanted = inputs @ own.state_dict()[f"{name}.weight"][left].T + own.state_dict()[f"{name}.bias"][left]
        made = [
            inputs[:, kept] @ weight.T + bias
            for weight, bias in (
                (plain[f"{name}.weight"], plain[f"{name}.bias"]),
                [torch.tensor(outcome.tensors[f"fitted.{name}.{part}"]) for part in ("weight", "bias")],
            )
        ]
        before, after = ((outputs - wanted).square().mean().item() for outputs in made)
        assert after < 0.7 * before


def test_other_choices_than_the_default_are_planned_plainly_although_the_size_was_fitted(parent: Parent) -> None:
    catalog, manifest, _ = parent
    job = FitJob(manifest.reference, 2, 16, DATA, images=100)
    outcome = fit(parent, job)
    assert isinstance(outcome, Learned)
    publish_fitted(job, manifest, outcome, catalog=catalog)
    wanted = Request(depth=2, width=16, options={"select": "uniform"})
    recipe, _ = planned(catalog, manifest, wanted)
    assert recipe.entries == initialize(manifest, wanted).entries


def test_fitting_stops_when_asked(parent: Parent) -> None:
    asked = iter([False, True])
    job = FitJob("digits", 4, 32, DATA)
    assert fit(parent, job, stop=lambda: next(asked)) == Stopped("scores", 128, 1437)


FIT_REFUSED = {
    r"has width 48, and so has the size asked for: .* fit a width below 48": (InvalidValue, {"width": 48}),
    "can't be depth 4, width 20": (UnsupportedSize, {"width": 20}),
    r"mean \[0\.3\] and std \[0\.38\], the job says \[0\.5\] and \[0\.38\]": (
        InvalidValue,
        {"data": replace(DATA, mean=(0.5,))},
    ),
    "ridge is above 0": (InvalidValue, {"options": {"ridge": -1.0}}),
    "did you mean 'ridge'": (InvalidValue, {"options": {"ridg": 1.0}}),
}


@pytest.mark.parametrize("sentence", FIT_REFUSED)
def test_fits_that_cannot_be_are_refused_in_a_sentence(parent: Parent, sentence: str) -> None:
    error, changes = FIT_REFUSED[sentence]
    with pytest.raises(error, match=sentence):
        fit(parent, replace(FitJob("digits", 4, 32, DATA), **changes))

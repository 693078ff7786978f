"""WAVE from images to descendants: learned, fitted to a size by the command, expanded, loaded in timm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cases import made

from learngenes import config, gene
from learngenes.__main__ import main
from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue, NeedsLearning
from learngenes.families.vit import Geometry
from learngenes.fit_job import FitJob
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.job import DataOptions, Learned, LearnJob, Stopped
from learngenes.learners import FITTERS, LEARNERS
from learngenes.methods.wave.facts import cuts, facts_of, scalers_name, templates_name
from learngenes.methods.wave.network import Templated
from learngenes.publish import publish_fitted
from learngenes.quality import measure
from learngenes.ready import planned
from learngenes.sizes import Size
from learngenes.store.local import LocalStore
from learngenes.store.memory import MemoryStore
from learngenes.training.data import open_images
from learngenes.training.expanded import TensorTree
from learngenes.training.vit import choose_attention

CONFIG = """
name = "digits"
method = "wave"
[geometry]
depth = 3
width = 32
heads = 4
patch = 4
image = 8
classes = 10
channels = 1
[data]
train = "digits:train"
test = "digits:test"
mean = [0.3]
std = [0.38]
augment = "light"
padding = 1
flip = 0.0
[options]
unit = 16
templates = 4
widths = [16, 32]
alpha = 0.0
[training]
epochs = 4
batch = 64
learning_rate = 5e-3
warmup_epochs = 1
clip_grad = 1.0
"""
GEOMETRY = Geometry(depth=3, width=32, heads=4, patch=4, image=8, classes=10, channels=1)
DATA = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.38,), augment="light", padding=0, flip=0.0)
IMAGES = ["--train", "digits:train", "--test", "digits:test"]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where a command learned, and what it published."""

    folder: Path
    catalog: Catalog
    manifest: Manifest

    @property
    def store(self) -> list[str]:
        return ["--store", str(self.folder / "store")]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """For the shelf too: a resumed run is compared with it bit for bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    folder = tmp_path_factory.mktemp("wave")
    (folder / "digits.toml").write_text(CONFIG)
    words = ["learn", str(folder / "digits.toml"), "--run", str(folder / "run"), "--store", str(folder / "store")]
    assert main(words) == 0
    catalog = Catalog(LocalStore(folder / "store"))
    return Shelf(folder, catalog, catalog.get("digits"))


def fitted(shelf: Shelf, run: Path, *, depth: int, width: int, **options: Any) -> Learned | Stopped:
    job = FitJob("digits", depth, width, DATA, **{"steps": 6, "batch": 64, **options})
    run.mkdir(exist_ok=True)
    parent = shelf.manifest
    return FITTERS["wave"](
        job, parent, shelf.catalog.tensors(parent), run=run, data=run, report=lambda event: None, stop=lambda: False
    )


@pytest.mark.parametrize("width", [16, 32])
def test_a_descendant_of_a_size_it_was_learned_at_gives_the_logits_of_the_auxiliary_network(
    shelf: Shelf, width: int, tmp_path: Path
) -> None:
    manifest, tensors = shelf.manifest, shelf.catalog.tensors(shelf.manifest)
    facts, size = facts_of(manifest), Size(3, width)
    recipe = initialize(manifest, Request(width=width))
    names = [*cuts(GEOMETRY, facts), "head.bias"]
    held = {n: torch.tensor(tensors.array(n if n == "head.bias" else templates_name(n))) for n in names}
    scalers = {n: torch.tensor(tensors.array(scalers_name(size, n))) for n in cuts(GEOMETRY, facts)}
    auxiliary = Templated(recipe.geometry, facts, TensorTree(held), TensorTree(scalers)).eval()  # type: ignore[arg-type]
    descendant = made.network(recipe, manifest, tensors, tmp_path)
    for model in (auxiliary, descendant):
        choose_attention(model, fused=False)
    x = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(auxiliary(x), descendant(x), rtol=1e-5, atol=1e-5)


def test_the_manifest_says_what_was_learned(shelf: Shelf) -> None:
    facts = facts_of(shelf.manifest)
    assert (facts.unit, facts.templates, facts.frame) == (16, 4, 2)
    assert facts.sizes == (Size(3, 32), Size(3, 16))
    assert shelf.manifest.training["accuracy"] > 0.15
    assert shelf.manifest.labels == tuple("0123456789")


def test_fitting_a_size_publishes_a_small_child_that_serves_it_at_once(
    shelf: Shelf, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    size = ["--depth", "5", "--width", "48"]
    assert main(["plan", "digits", *shelf.store, *size]) == 2
    assert "learngenes fit-size digits --depth 5 --width 48" in capsys.readouterr().err
    words = ["fit-size", "digits", *shelf.store, *size, *IMAGES, "--steps", "12", "--batch", "64", "--images", "200"]
    assert main([*words, "--run", str(tmp_path / "fit")]) == 0
    catalog = Catalog(LocalStore(shelf.folder / "store"))
    child = catalog.get("digits-depth5-width48")
    assert child.parent == gene.Parent("digits@1", shelf.manifest.digest)
    assert (child.training["train_n"], child.training["steps"], child.license) == (200, 12, shelf.manifest.license)
    assert child.training["command"].startswith("learngenes fit-size digits@1 ")
    assert all(name.startswith("scalers.5x48.") for name in child.weights.tensors)
    assert child.training["parameters"] == sum(int(np.prod(t.shape)) for t in child.weights.tensors.values())
    recipe, used = planned(catalog, shelf.manifest, Request(depth=5, width=48))
    assert used == child
    assert made.logits(recipe, used, catalog.tensors(used), tmp_path).shape == (2, 10)
    (stated,) = child.quality
    (again,) = measure(
        child,
        catalog.tensors(child),
        depths=[5],
        widths=[48],
        images=open_images("digits:test", data=tmp_path),
        source="digits:test",
        command=child.training["command"],
    )
    assert stated == again
    capsys.readouterr()
    assert main(["plan", "digits", *shelf.store, *size, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["learngene"] == "digits-depth5-width48@1"
    assert main(["build", "digits", *shelf.store, *size, "--out", str(tmp_path / "out")]) == 0
    with pytest.raises(NeedsLearning) as error:
        planned(catalog, shelf.manifest, Request(depth=6, width=48))
    assert error.value.ready[0] == Size(5, 48)
    with pytest.raises(InvalidValue, match="was itself fitted to one size; fit digits@1"):
        publish_fitted(FitJob(child.name, 5, 48, DATA), child, Learned({}, {}, {}), catalog=catalog)


def test_w3_fitting_leaves_the_templates_as_they_are(shelf: Shelf, tmp_path: Path) -> None:
    learned = fitted(shelf, tmp_path / "run", depth=3, width=48)
    assert isinstance(learned, Learned)
    assert not any(name.startswith("templates.") for name in learned.tensors)
    before = shelf.manifest.weights
    file = shelf.catalog.open(shelf.manifest)
    assert gene.weigh(file) == before


@pytest.mark.parametrize("init", ["interp", "lstsq", "random", "onehot"])
def test_a_fit_is_deterministic_and_its_scalers_have_moved(shelf: Shelf, init: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"depth": 4, "width": 16, "options": {"init": init}, "images": 128}
    start = fitted(shelf, tmp_path / "start", **options, steps=0)
    first, again = (fitted(shelf, tmp_path / name, **options, steps=3) for name in ("first", "again"))
    assert isinstance(start, Learned) and isinstance(first, Learned) and isinstance(again, Learned)
    for name, value in first.tensors.items():
        np.testing.assert_array_equal(value, again.tensors[name])
    assert any(not np.array_equal(first.tensors[name], start.tensors[name]) for name in start.tensors)
    if init == "interp":
        by_rule = initialize(shelf.manifest, Request(depth=4, width=16, options={"scalers": "interp"}))
        own = publish_fitted(FitJob("digits", 4, 16, DATA), shelf.manifest, start, catalog=Catalog(MemoryStore()))
        assert initialize(own, Request()).geometry == by_rule.geometry


def test_a_fit_that_was_stopped_continues_to_the_same_scalers(shelf: Shelf, tmp_path: Path) -> None:
    job = FitJob("digits", 4, 16, DATA, steps=6, batch=64)
    parent, tensors = shelf.manifest, shelf.catalog.tensors(shelf.manifest)
    outcomes = []
    for run, stops in ((tmp_path / "one", [False] * 9), (tmp_path / "two", [False, False, True])):
        run.mkdir()
        asked = iter(stops)
        outcomes.append(
            FITTERS["wave"](
                job, parent, tensors, run=run, data=run, report=lambda event: None, stop=lambda asked=asked: next(asked)
            )
        )
    assert outcomes[1] == Stopped("fit", 3, 6)
    whole, resumed = outcomes[0], fitted(shelf, tmp_path / "two", depth=4, width=16)
    assert isinstance(whole, Learned) and isinstance(resumed, Learned)
    for name, value in whole.tensors.items():
        np.testing.assert_array_equal(value, resumed.tensors[name])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--depth", "4", "--width", "40"], "can't be depth 4, width 40"),
        (["--depth", "4", "--width", "64", "--init", "lstsq"], "at least as wide as 64"),
        (["--depth", "4", "--width", "64", "--init", "guess"], "interp"),
        (["--depth", "4", "--width", "64", "--option", "target=x.safetensors"], "init 'interp' has none"),
        (["--depth", "4", "--width", "16", "--init", "lstsq", "--option", "target=none.safetensors"], "can't be read"),
    ],
)
def test_a_fit_that_can_not_be_says_why(
    shelf: Shelf, words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit-size", "digits", *shelf.store, *words, *IMAGES, "--run", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_learning_at_several_widths_resumes_bit_for_bit(shelf: Shelf, tmp_path: Path) -> None:
    job = config.load(shelf.folder / "digits.toml", LearnJob)
    asked = iter([False] * 29 + [True])
    words: dict[str, Any] = {"run": tmp_path, "data": tmp_path, "report": lambda event: None}
    assert LEARNERS["wave"](job, stop=lambda: next(asked), **words) == Stopped("auxiliary", 30, 88)
    resumed = LEARNERS["wave"](job, stop=lambda: False, **words)
    assert isinstance(resumed, Learned)
    whole = shelf.catalog.open(shelf.manifest)
    for name, value in resumed.tensors.items():
        np.testing.assert_array_equal(value, whole.array(name))

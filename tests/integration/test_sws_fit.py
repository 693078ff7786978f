"""Fitting an SWS learngene to a depth: norms and gains learned from its own answers, published and served."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

from learngenes import tensorfile
from learngenes.__main__ import main
from learngenes.budget.offers import needs_learning
from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue, UnsupportedSize
from learngenes.families.vit import Geometry
from learngenes.fit_job import FitJob
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.job import DataOptions, Learned, LearnJob, Stopped
from learngenes.learners import FITTERS
from learngenes.publish import publish, publish_fitted
from learngenes.quality import load
from learngenes.ready import planned
from learngenes.sizes import Size
from learngenes.store.local import LocalStore
from learngenes.store.memory import MemoryStore
from learngenes.stream import stream
from learngenes.tensorfile import TensorFile
from learngenes.training.augment import Normalise, TestBatches
from learngenes.training.data import open_images
from learngenes.training.losses import distillation_loss
from learngenes.training.vit import auxiliary, stage_tensors
from learngenes.zoo import METHODS

STAGES = (2, 1, 3)
GEOMETRY = Geometry(depth=6, width=32, heads=2, patch=4, image=8, classes=10, channels=1)
DATA = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.38,), augment="light", padding=1, flip=0.0)
JOB = LearnJob("digits", "sws", GEOMETRY, DATA, options={"stages": list(STAGES)})
BRANCHES = ("attn.proj.weight", "attn.proj.bias", "mlp.fc2.weight", "mlp.fc2.bias")

Parent = tuple[Catalog, Manifest, TensorFile]


def learngene(store: LocalStore | MemoryStore) -> Parent:
    """One that never learned, with weights large enough for its blocks to matter, published."""
    torch.manual_seed(0)
    network = auxiliary(GEOMETRY, STAGES)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.1 * torch.randn_like(value))
    catalog = Catalog(store)
    learned = Learned(stage_tensors(network, STAGES), {"stages": list(STAGES)}, {})
    manifest = publish(JOB, learned, catalog=catalog)
    return catalog, manifest, catalog.open(manifest)


@pytest.fixture(scope="module")
def parent() -> Parent:
    return learngene(MemoryStore())


def job(depth: int, width: int = 32, **more: Any) -> FitJob:
    return replace(
        FitJob("digits@1", depth, width, DATA, steps=6, batch=32, images=100, learning_rate=1e-2),
        **more,
    )


def fit(parent: Parent, job: FitJob, run: Path, *, stop: Any = lambda: False) -> Learned | Stopped:
    _, manifest, tensors = parent
    return FITTERS["sws"](job, manifest, tensors, run=run, data=run, report=lambda event: None, stop=stop)


def learned(parent: Parent, job: FitJob, run: Path) -> Learned:
    outcome = fit(parent, job, run)
    assert isinstance(outcome, Learned)
    return outcome


def test_every_method_of_which_sizes_can_be_fitted_has_a_fitter() -> None:
    assert FITTERS.keys() == {name for name, method in METHODS.items() if method.fits}


def bytes_of(outcome: Learned) -> bytes:
    return b"".join(tensorfile.write(outcome.tensors, "F32")) + json.dumps(outcome.facts, sort_keys=True).encode()


@pytest.mark.parametrize(("depth", "width"), [(2, 32), (4, 32), (8, 32), (3, 16), (6, 16)])
def test_a_fitted_size_is_served_when_its_parent_is_asked(
    parent: Parent, depth: int, width: int, tmp_path: Path
) -> None:
    catalog, manifest, _ = parent
    wanted = job(depth, width)
    outcome = learned(parent, wanted, tmp_path)
    child = publish_fitted(wanted, manifest, outcome, catalog=catalog)
    recipe, chosen = planned(catalog, manifest, Request(depth=depth, width=width))
    assert chosen == child
    made = TensorFile(b"".join(stream(catalog.assemble(recipe, child))))
    plain = TensorFile(
        b"".join(stream(catalog.assemble(initialize(manifest, Request(depth=depth, width=width)), manifest)))
    )
    norms = {name for name in made.tensors if "norm" in name}
    ends = {f"blocks.{block}.{branch}" for block in range(depth) for branch in BRANCHES}
    assert outcome.tensors.keys() == {f"fitted.{name}" for name in norms} and len(norms) == 4 * depth + 2
    for name in made.tensors.keys() - norms - ends:
        assert bytes(made.raw(name)) == bytes(plain.raw(name))
    for name in norms:
        np.testing.assert_array_equal(made.array(name), outcome.tensors[f"fitted.{name}"])
    gains = np.array(outcome.facts["fitted"]["gains"], np.float32).reshape(depth, 2)
    for name in ends:
        gain = gains[int(name.split(".")[1]), int("mlp" in name)]
        np.testing.assert_array_equal(made.array(name), gain * plain.array(name))


def test_what_is_fitted_answers_more_like_the_auxiliary_network(parent: Parent, tmp_path: Path) -> None:
    catalog, manifest, tensors = parent
    wanted = job(4, steps=40)
    child = publish_fitted(wanted, manifest, learned(parent, wanted, tmp_path), catalog=catalog)
    images = TestBatches(open_images("digits:test", data=tmp_path), options=DATA, geometry=GEOMETRY)
    pixels = Normalise(DATA)(images[0][0])

    def distance(source: Manifest, **asked: Any) -> float:
        model = load(initialize(source, Request(depth=4, **asked)), catalog.tensors(source))
        with torch.inference_mode():
            own = load(initialize(manifest, Request()), tensors)(pixels)
            return float(distillation_loss(model(pixels), own, temperature=1.0))

    fitted = distance(child)
    assert fitted < 0.5 * distance(manifest)
    assert fitted < 0.5 * distance(manifest, options={"gain": "stage"})


def test_labels_have_no_part_in_what_is_fitted(parent: Parent, tmp_path: Path) -> None:
    digits = open_images("digits:train", data=tmp_path)
    rows, truth = [], []
    for at in range(60):
        image, label = digits[at]
        image.save(file := io.BytesIO(), "PNG")
        rows.append({"bytes": file.getvalue(), "path": None})
        truth.append(label)
    others = np.random.default_rng(0).permutation(truth).tolist()
    (tmp_path / "classes.json").write_text(json.dumps(list(digits.classes)))
    made = []
    for name, labels in (("true", truth), ("other", others)):
        pa.parquet.write_table(pa.table({"image": rows, "label": labels}), tmp_path / f"{name}.parquet")
        (run := tmp_path / name).mkdir()
        data = replace(DATA, train=f"parquet:{tmp_path / name}.parquet")
        made.append(bytes_of(learned(parent, job(3, data=data, images=0), run)))
    assert truth != others and made[0] == made[1]


def test_the_same_job_gives_the_same_bytes_at_once_or_stopped_and_continued(parent: Parent, tmp_path: Path) -> None:
    for name in ("whole", "parts", "other"):
        (tmp_path / name).mkdir()
    whole = bytes_of(learned(parent, job(3), tmp_path / "whole"))
    asked = iter([False, False, True])
    assert fit(parent, job(3), tmp_path / "parts", stop=lambda: next(asked)) == Stopped("fit", 3, 6)
    assert bytes_of(learned(parent, job(3), tmp_path / "parts")) == whole
    assert bytes_of(learned(parent, job(3, seed=1), tmp_path / "other")) != whole


@pytest.mark.parametrize(("start", "first"), [("none", [1.0] * 6), ("stage", [2.0, 2.0, 1.0, 1.0, 3.0, 3.0])])
def test_fitting_starts_from_the_gains_asked_for(
    parent: Parent, start: str, first: list[float], tmp_path: Path
) -> None:
    outcome = learned(parent, job(3, steps=0, options={"start": start}), tmp_path)
    assert outcome.facts["fitted"] == {"gains": first, "start": start, "temperature": 1.0}


def test_other_choices_than_the_default_are_planned_plainly_although_the_size_was_fitted(
    parent: Parent, tmp_path: Path
) -> None:
    catalog, manifest, _ = parent
    wanted = job(5)
    publish_fitted(wanted, manifest, learned(parent, wanted, tmp_path), catalog=catalog)
    for options in ({"calibration": "none"}, {"gain": "stage"}, {"order": "front-last-mid"}):
        request = Request(depth=5, options=options)
        assert planned(catalog, manifest, request) == (initialize(manifest, request), manifest)
    assert not needs_learning(manifest, Size(7, 32))


def test_the_command_fits_a_size_and_keeps_it_beside_its_parent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = LocalStore(tmp_path / "store")
    catalog, manifest, _ = learngene(store)
    words = ["fit-size", "digits", "--store", str(tmp_path / "store"), "--depth", "3", "--width", "32"]
    words += ["--train", "digits:train", "--test", "digits:test", "--run", str(tmp_path / "run")]
    words += ["--steps", "4", "--batch", "32", "--images", "64", "--option", "start=root"]
    assert main(words) == 0
    assert "published digits-depth3-width32@1" in capsys.readouterr().out
    child = Catalog(store).get("digits-depth3-width32")
    assert child.method_facts["fitted"]["start"] == "root" and child.training["train_n"] == 64
    assert planned(catalog, manifest, Request(depth=3))[1] == child


FIT_REFUSED: dict[str, tuple[type[InvalidValue], dict[str, Any]]] = {
    "is itself of depth 6, width 32, and teaches what is fitted": (InvalidValue, {"depth": 6}),
    "can't be depth 4, width 20": (UnsupportedSize, {"width": 20}),
    r"mean \[0\.3\] and std \[0\.38\], the job says \[0\.5\] and \[0\.38\]": (
        InvalidValue,
        {"data": replace(DATA, mean=(0.5,))},
    ),
    "temperature is above 0 and finite, got 0.0": (InvalidValue, {"options": {"temperature": 0.0}}),
    "did you mean 'start'": (InvalidValue, {"options": {"stat": "none"}}),
}


@pytest.mark.parametrize("sentence", FIT_REFUSED)
def test_fits_that_cannot_be_are_refused_in_a_sentence(parent: Parent, sentence: str, tmp_path: Path) -> None:
    error, changes = FIT_REFUSED[sentence]
    with pytest.raises(error, match=sentence):
        fit(parent, replace(job(4), **changes), tmp_path)

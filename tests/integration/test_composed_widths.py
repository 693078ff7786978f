"""SWS and TLEG at other widths: scored while they learn, then picked by importance, width first and depth second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.job import DataOptions, Learned, LearnJob, TrainingOptions
from learngenes.learners import LEARNERS
from learngenes.publish import publish
from learngenes.quality import load
from learngenes.store.memory import MemoryStore
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile

GEOMETRY = Geometry(depth=4, width=48, heads=3, patch=4, image=8, classes=10, channels=1)
DATA = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.38,), augment="light", padding=1, flip=0.0)
TRAINING = TrainingOptions(epochs=1, batch=64, learning_rate=1e-3, fused_attention=False)
OPTIONS = {"sws": {"stages": [2, 2], "alpha": 0.0}, "tleg": {"alpha": 0.0}}
LAYERS = {"sws": ("stages.0", "stages.1"), "tleg": ("base",)}


@pytest.fixture(scope="module", params=OPTIONS)
def learned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, TensorFile]:
    """A learngene with scores, published."""
    method: str = request.param
    options = {**OPTIONS[method], "scored_images": 64}
    job = LearnJob("scored", method, GEOMETRY, DATA, TRAINING, options=options)
    folder = tmp_path_factory.mktemp("run")
    made = LEARNERS[method](job, run=folder, data=folder, report=lambda event: None, stop=lambda: False)
    assert isinstance(made, Learned)
    catalog = Catalog(MemoryStore())
    manifest = publish(job, made, catalog=catalog)
    return manifest, catalog.open(manifest)


def test_scores_are_stored_once_for_the_residual_stream_and_for_each_layer(
    learned: tuple[Manifest, TensorFile],
) -> None:
    manifest, tensors = learned
    names = {f"rankings.{layer}.{what}" for layer in LAYERS[manifest.method] for what in ("heads", "hidden")}
    assert {name for name in tensors.tensors if name.startswith("rankings")} == names | {"rankings.res"}
    for name, length in {"rankings.res": 48, **{n: 3 if n.endswith("heads") else 192 for n in names}}.items():
        assert sorted(tensors.indices(name)) == list(range(length))


def test_a_width_by_importance_keeps_the_most_important_of_every_space(learned: tuple[Manifest, TensorFile]) -> None:
    manifest, tensors = learned
    request = Request(depth=3, width=32, options={"select": "importance", "scale": "none"})
    made = TensorFile(b"".join(stream(assemble(initialize(manifest, request), tensors))))
    whole = TensorFile(b"".join(stream(assemble(initialize(manifest, Request(depth=3)), tensors))))
    res = np.sort(tensors.indices("rankings.res")[:32])
    layer = LAYERS[manifest.method][0]
    heads = np.sort(tensors.indices(f"rankings.{layer}.heads")[:2])
    hidden = np.sort(tensors.indices(f"rankings.{layer}.hidden")[:128])
    np.testing.assert_array_equal(made.array("pos_embed"), whole.array("pos_embed")[:, :, res])
    qkv = whole.array("blocks.0.attn.qkv.weight").reshape(3, 3, 16, 48)[:, heads][..., res]
    np.testing.assert_array_equal(made.array("blocks.0.attn.qkv.weight"), qkv.reshape(96, 32))
    fc2 = whole.array("blocks.0.mlp.fc2.weight")[res][:, hidden]
    np.testing.assert_array_equal(made.array("blocks.0.mlp.fc2.weight"), fc2)


@pytest.mark.parametrize("width", [16, 32, 48])
def test_every_width_is_a_working_network(learned: tuple[Manifest, TensorFile], width: int) -> None:
    manifest, tensors = learned
    model = load(initialize(manifest, Request(depth=5, width=width, options={"select": "importance"})), tensors)
    logits = model(torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (4, 10) and torch.isfinite(logits).all()


def test_without_scores_importance_is_refused_in_one_sentence(learned: tuple[Manifest, TensorFile]) -> None:
    manifest, _ = learned
    weights = manifest.weights
    kept = {name: tensor for name, tensor in weights.tensors.items() if not name.startswith("rankings")}
    unscored = replace(manifest, weights=replace(weights, tensors=kept))
    with pytest.raises(InvalidValue, match=r"holds no importance scores 'rankings\.\S+'; choose select 'uniform'"):
        initialize(unscored, Request(width=32, options={"select": "importance"}))


def test_a_negative_number_of_scored_images_is_refused() -> None:
    job = LearnJob("x", "sws", GEOMETRY, DATA, TRAINING, options={"stages": [2, 2], "scored_images": -1})
    with pytest.raises(InvalidValue, match="scored_images is at least 0, got -1"):
        LEARNERS["sws"](job, run=Path(), data=Path(), report=lambda event: None, stop=lambda: False)

"""Weight subcloning from an ancestor to descendants: scored in torch, cut in numpy, each checked with the other.

S1 to S3 are the invariants that speak of functions; the others are in tests/unit/test_subcloning_plan.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cases import subcloning
from safetensors.torch import save_file
from torch import Tensor

from learngenes import gene, tensorfile
from learngenes.catalog import Catalog
from learngenes.errors import BadCheckpoint, InvalidValue
from learngenes.families.vit import Geometry, shapes
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.job import AncestorOptions, DataOptions, Learned, LearnJob, Stopped, TrainingOptions
from learngenes.learners import LEARNERS
from learngenes.publish import publish
from learngenes.quality import load
from learngenes.store.memory import MemoryStore
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile, Tensors
from learngenes.training import scores
from learngenes.training.augment import Normalise, TestBatches
from learngenes.training.data import open_images
from learngenes.training.vit import network

GEOMETRY = Geometry(depth=4, width=48, heads=3, patch=4, image=8, classes=10, channels=1, class_token=True)
HEAD = GEOMETRY.width // GEOMETRY.heads
DATA = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.38,), augment="light", padding=1, flip=0.0)
TRAINING = TrainingOptions(
    epochs=3, batch=64, learning_rate=3e-3, warmup_epochs=1, clip_grad=1.0, fused_attention=False
)
JOB = LearnJob("digits", "subcloning", GEOMETRY, DATA, ancestor=AncestorOptions("vit", training=TRAINING))
STORED = replace(JOB, ancestor=AncestorOptions("vit", checkpoint="vit.safetensors"), options={"images": 64})

Parent = tuple[Catalog, Manifest, TensorFile]
State = dict[str, Tensor]


def learn(job: LearnJob, folder: Path, *, stop: Callable[[], bool] = lambda: False) -> Learned | Stopped:
    return LEARNERS[job.method](job, run=folder, data=folder, report=lambda event: None, stop=stop)


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Parent:
    """An ancestor trained on digits, scored and published."""
    outcome = learn(JOB, tmp_path_factory.mktemp("run"))
    assert isinstance(outcome, Learned)
    catalog = Catalog(MemoryStore())
    manifest = publish(JOB, outcome, catalog=catalog)
    return catalog, manifest, catalog.open(manifest)


@pytest.fixture
def checkpoint(tmp_path: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    made = network(GEOMETRY)
    save_file(made.state_dict(), tmp_path / "vit.safetensors")
    return made


def images(split: str = "test", count: int = 10_000) -> Tensor:
    """Normalised (B, C, H, W)."""
    opened = open_images(f"digits:{split}", data=Path())
    normalised: Tensor = Normalise(DATA)(TestBatches(opened, options=DATA, geometry=GEOMETRY, batch=count)[0][0])
    return normalised


def state_of(tensors: Tensors, geometry: Geometry = GEOMETRY) -> State:
    return {name: torch.tensor(tensors.array(name)).double() for name in shapes(geometry)}


def run(state: State, geometry: Geometry, pixels: Tensor) -> Tensor:
    """Logits in float64."""
    model = network(geometry).double().eval()
    model.load_state_dict(state)
    with torch.inference_mode():
        return model(pixels.double())


def rankings(tensors: TensorFile) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """As stored: the residual order for every block and the frame alike, and the heads' and hidden units' by block."""
    layers = range(GEOMETRY.depth)
    residual = torch.tensor(tensors.indices("rankings.res").astype(np.int64))
    heads, hidden = (
        [torch.tensor(tensors.indices(f"rankings.blocks.{i}.{what}").astype(np.int64)) for i in layers]
        for what in ("heads", "hidden")
    )
    return [residual] * GEOMETRY.depth, heads, hidden


def reordered(state: State, res: Sequence[Tensor], heads: Sequence[Tensor], hidden: Sequence[Tensor]) -> State:
    """The network with these rows and columns in this order; leading ones alone if the lists are shorter.

    res, heads, hidden: of every block; the frame goes by the residual list of the first.
    """
    made: State = {}
    for name, value in state.items():
        if not name.startswith("blocks."):
            axis = {"patch_embed.proj.weight": 0, "head.weight": 1, "cls_token": 2, "pos_embed": 2}.get(name, 0)
            made[name] = value if name == "head.bias" else value.index_select(axis, res[0])
            continue
        layer, within = int(name.split(".")[1]), name.split(".", 2)[2]
        r, units = res[layer], hidden[layer]
        dims = (heads[layer][:, None] * HEAD + torch.arange(HEAD)).flatten()
        match within:
            case "attn.qkv.weight":
                value = value.view(3, GEOMETRY.width, -1)[:, dims][:, :, r].flatten(0, 1)
            case "attn.qkv.bias":
                value = value.view(3, GEOMETRY.width)[:, dims].flatten()
            case "attn.proj.weight":
                value = value[r][:, dims]
            case "mlp.fc1.weight":
                value = value[units][:, r]
            case "mlp.fc1.bias":
                value = value[units]
            case "mlp.fc2.weight":
                value = value[r][:, units]
            case _:
                value = value[r]
        made[name] = value
    return made


def test_s1_reordering_by_importance_is_the_same_function(parent: Parent) -> None:
    _, _, tensors = parent
    state, pixels = state_of(tensors), images(count=32)
    ordered = reordered(state, *rankings(tensors))
    assert not torch.equal(ordered["norm.weight"], state["norm.weight"])
    assert (run(ordered, GEOMETRY, pixels) - run(state, GEOMETRY, pixels)).abs().max() < 1e-12


def test_s2_another_residual_order_in_every_block_is_another_function(parent: Parent) -> None:
    _, _, tensors = parent
    state, pixels = state_of(tensors), images(count=32)
    res, heads, hidden = rankings(tensors)
    mixed = reordered(state, [order.roll(layer) for layer, order in enumerate(res)], heads, hidden)
    assert (run(mixed, GEOMETRY, pixels) - run(state, GEOMETRY, pixels)).abs().max() > 0.1


@pytest.mark.parametrize("width", [16, 32])
def test_numpy_and_torch_cut_the_same_subclone(parent: Parent, width: int) -> None:
    _, manifest, tensors = parent
    kept = width // HEAD
    child = replace(GEOMETRY, width=width, heads=kept)
    res, heads, hidden = rankings(tensors)
    leading = reordered(
        state_of(tensors), [r[:width] for r in res], [h[:kept] for h in heads], [u[: child.hidden] for u in hidden]
    )
    for name, value in leading.items():
        if name.endswith(("qkv.weight", "fc1.weight", "attn.proj.weight", "fc2.weight", "head.weight")):
            leading[name] = value * math.sqrt(GEOMETRY.width / width)
    pixels = images(count=32)
    made = load(initialize(manifest, Request(width=width)), tensors)
    with torch.inference_mode():
        torch.testing.assert_close(made(pixels).double(), run(leading, child, pixels), rtol=1e-4, atol=1e-5)


def test_the_rankings_are_those_of_the_scores(parent: Parent) -> None:
    _, manifest, tensors = parent
    assert manifest.method_facts["scores"] == {"images": 256, "residual": "stream", "hidden": "after-gelu"}
    model = load(initialize(manifest, Request()), tensors)
    everything = images("train")
    order = scores.rankings(scores.measure(model, [everything]))
    res, heads, hidden = rankings(tensors)
    assert len({*res[0].tolist()} & {*order.res.tolist()}) == GEOMETRY.width
    top = GEOMETRY.width // 2
    assert len({*res[0][:top].tolist()} & {*order.res[:top].tolist()}) > 0.8 * top  # of a sample, not of all
    assert [sorted(h.tolist()) for h in heads] == [list(range(GEOMETRY.heads))] * GEOMETRY.depth
    assert [sorted(u.tolist()) for u in hidden] == [list(range(GEOMETRY.hidden))] * GEOMETRY.depth
    assert len(manifest.method_facts["block_scores"]) == GEOMETRY.depth


@pytest.mark.parametrize("options", [{}, {"residual": "branch"}, {"hidden": "before-gelu"}, {"images": 50}], ids=str)
def test_every_way_of_scoring_is_recorded(options: dict[str, Any], checkpoint: torch.nn.Module, tmp_path: Path) -> None:
    outcome = learn(replace(STORED, options={"images": 64} | options), tmp_path)
    assert isinstance(outcome, Learned)
    defaults = {"images": 64, "residual": "stream", "hidden": "after-gelu"}
    assert outcome.facts["scores"] == defaults | options
    assert {tensor.dtype for name, tensor in outcome.tensors.items() if name.startswith("rankings.")} == {
        np.dtype(np.int32)
    }


def widened() -> tuple[Manifest, TensorFile, State]:
    """A learngene twice as wide as a network, whose second half only repeats it or adds nothing; and that network.

    Every residual neuron stands there twice, and only the first is read; the added heads' columns of proj are zero and
    so are the added hidden units' columns of fc2. LayerNorm sees the same mean and variance in both.
    """
    small = replace(GEOMETRY, width=24, heads=2)
    wide = replace(GEOMETRY, width=48, heads=4)
    narrow = TensorFile(subcloning.make(geometry=small)[1])
    noise = TensorFile(subcloning.make(geometry=wide, seed=1)[1])
    values: dict[str, Any] = {}
    for name, shape in shapes(wide).items():
        old = narrow.array(name)
        if name.endswith(("qkv.weight", "qkv.bias")):
            new = noise.array(name).reshape(3, 48, -1).copy()
            new[:, :24] = 0
            new[:, :24, : old[0].size if old.ndim > 1 else 1] = old.reshape(3, 24, -1)
            if old.ndim > 1:
                new[:, :, 24:] = 0
            values[name] = new.reshape(shape)
        elif name.endswith(("fc1.weight", "fc1.bias")):
            new = noise.array(name).copy()
            new[: len(old)] = 0
            new[tuple(slice(n) for n in old.shape)] = old
            if old.ndim > 1:
                new[:, 24:] = 0
            values[name] = new
        elif name.endswith(("proj.weight", "fc2.weight")) and name.startswith("blocks."):
            values[name] = np.hstack([np.vstack([old, old]), np.zeros_like(np.vstack([old, old]))])
        elif name == "head.weight":
            values[name] = np.hstack([old, np.zeros_like(old)])
        elif name == "head.bias":
            values[name] = old
        else:
            values[name] = np.concatenate([old, old], axis=-1 if name in ("cls_token", "pos_embed") else 0)
    values["rankings.res"] = np.arange(48, dtype=np.int32)
    for layer in range(wide.depth):
        values[f"rankings.blocks.{layer}.heads"] = np.arange(4, dtype=np.int32)
        values[f"rankings.blocks.{layer}.hidden"] = np.arange(wide.hidden, dtype=np.int32)
    file = TensorFile(b"".join(tensorfile.write(values, "F32")))
    made, _ = subcloning.make(geometry=wide)
    return replace(made, weights=gene.weigh(file)), file, state_of(narrow, small)


def test_s3_dropping_what_adds_nothing_is_exact() -> None:
    manifest, tensors, narrow = widened()
    pixels = images(count=16)
    wide = run(state_of(tensors, manifest.geometry), manifest.geometry, pixels)
    recipe = initialize(manifest, Request(width=24, options={"scale": "none"}))
    made = TensorFile(b"".join(stream(assemble(recipe, tensors))))
    assert all(np.array_equal(made.array(name), value.float().numpy()) for name, value in narrow.items())
    assert (run(state_of(made, recipe.geometry), recipe.geometry, pixels) - wide).abs().max() < 1e-12


def test_s3_dropping_a_block_whose_branches_are_zero_is_exact(parent: Parent) -> None:
    _, manifest, tensors = parent
    values: dict[str, Any] = {
        name: tensors.indices(name) if name.startswith("rankings.") else tensors.array(name).copy()
        for name in tensors.tensors
    }
    for name in values:
        if name.startswith(("blocks.2.attn.proj.", "blocks.2.mlp.fc2.")):
            values[name][...] = 0
    file = TensorFile(b"".join(tensorfile.write(values, "F32")))
    silent = replace(manifest, weights=gene.weigh(file))
    recipe = initialize(silent, Request(depth=3))
    assert recipe.layer_map == (0, 1, 3)
    pixels = images(count=16)
    assert torch.equal(load(recipe, file)(pixels), load(initialize(silent, Request()), file)(pixels))
    model = load(initialize(silent, Request()), file)
    assert scores.measure(model, [pixels]).blocks[2] == pytest.approx(0, abs=1e-6)


def test_scoring_stops_when_asked(checkpoint: torch.nn.Module, tmp_path: Path) -> None:
    assert learn(STORED, tmp_path, stop=lambda: True) == Stopped("scores", 0, 64)


def test_a_corrupt_ancestor_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vit.safetensors").write_bytes(b"{}")
    with pytest.raises(BadCheckpoint, match=r"vit\.safetensors can't be read as safetensors"):
        learn(STORED, tmp_path)


def test_jobs_that_cannot_be_are_refused_in_a_sentence(checkpoint: torch.nn.Module, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"method 'subcloning' has no use for \[training\]; remove the table"):
        learn(replace(STORED, training=TRAINING), tmp_path)
    with pytest.raises(InvalidValue, match=r"method 'subcloning' needs \[data\]; add the table"):
        ancestor = AncestorOptions("vit", mean=(0.3,), std=(0.38,), checkpoint="vit.safetensors")
        learn(replace(STORED, data=None, ancestor=ancestor), tmp_path)
    with pytest.raises(InvalidValue, match="share is above 0"):
        learn(replace(STORED, options={"share": 2.0}), tmp_path)
    other = AncestorOptions("vit", mean=(0.5,), std=(0.38,), checkpoint="vit.safetensors")
    with pytest.raises(
        InvalidValue, match=r"mean \[0\.5\] and std \[0\.38\], and \[data\] says \[0\.3\] and \[0\.38\]"
    ):
        learn(replace(STORED, ancestor=other), tmp_path)

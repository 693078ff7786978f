"""Weight selection from an ancestor to descendants: stored as it is, cut in numpy, and the same cut made in torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from learngenes.catalog import Catalog
from learngenes.errors import BadCheckpoint, InvalidValue, UnknownName
from learngenes.families.vit import Geometry, shapes
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.job import AncestorOptions, DataOptions, Learned, LearnJob, Stopped, TrainingOptions
from learngenes.learners import LEARNERS
from learngenes.publish import publish
from learngenes.quality import load, measure
from learngenes.store.memory import MemoryStore
from learngenes.tensorfile import TensorFile
from learngenes.training.data import open_images
from learngenes.training.vit import choose_attention, network

GEOMETRY = Geometry(depth=4, width=48, heads=3, patch=4, image=8, classes=10, channels=1)
DATA = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.38,), augment="light", padding=1, flip=0.0)
TRAINING = TrainingOptions(
    epochs=8, batch=64, learning_rate=3e-3, warmup_epochs=1, clip_grad=1.0, fused_attention=False
)
TRAINED = LearnJob("digits", "selection", GEOMETRY, DATA, ancestor=AncestorOptions("vit", training=TRAINING))
STORED = LearnJob(
    "digits",
    "selection",
    GEOMETRY,
    ancestor=AncestorOptions("vit", mean=(0.3,), std=(0.38,), checkpoint="vit.safetensors"),
)


def learn(job: LearnJob, folder: Path, *, stops: bool = False) -> Learned | Stopped:
    return LEARNERS[job.method](job, run=folder, data=folder, report=lambda event: None, stop=lambda: stops)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, TensorFile]:
    """An ancestor trained on digits, published as it is."""
    outcome = learn(TRAINED, tmp_path_factory.mktemp("run"))
    assert isinstance(outcome, Learned)
    catalog = Catalog(MemoryStore())
    manifest = publish(TRAINED, outcome, catalog=catalog)
    return manifest, catalog.open(manifest)


@pytest.fixture
def checkpoint(tmp_path: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    made = network(GEOMETRY)
    save_file(made.state_dict(), tmp_path / "vit.safetensors")
    return made


def pixels() -> torch.Tensor:
    return torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_a_checkpoint_becomes_a_learngene_without_images_and_gives_its_very_logits(
    checkpoint: torch.nn.Module, tmp_path: Path
) -> None:
    outcome = learn(STORED, tmp_path)
    assert isinstance(outcome, Learned)
    assert (outcome.facts, outcome.record["ancestor"]["source"]) == ({}, "vit.safetensors")
    catalog = Catalog(MemoryStore())
    manifest = publish(STORED, outcome, catalog=catalog)
    assert manifest.normalization.mean == (0.3,)
    descendant = load(initialize(manifest, Request()), catalog.open(manifest))
    choose_attention(checkpoint, fused=False)  # as load does
    assert torch.equal(descendant(pixels()), checkpoint.eval()(pixels()))


def test_the_own_size_is_as_good_as_the_ancestor_was(learned: tuple[Manifest, TensorFile]) -> None:
    manifest, tensors = learned
    images = open_images("digits:test", data=Path())
    (own,) = measure(manifest, tensors, depths=[4], images=images, source="digits:test", command="")
    assert manifest.ancestor is not None
    assert own.value == manifest.ancestor["accuracy"] > 0.4
    assert manifest.labels == tuple("0123456789")


def test_silent_blocks_leave_the_function_of_a_deeper_network_as_it_was(learned: tuple[Manifest, TensorFile]) -> None:
    manifest, tensors = learned
    own = load(initialize(manifest, Request()), tensors)(pixels())
    deeper = load(initialize(manifest, Request(depth=9)), tensors)(pixels())
    assert torch.equal(deeper, own)


def cut(state: dict[str, torch.Tensor], width: int, depth: int) -> dict[str, torch.Tensor]:
    """Every second (or third) residual neuron, joined dimension of the heads and hidden unit, in torch."""
    step = GEOMETRY.width // width
    made = {}
    for name, value in state.items():
        if name.startswith("blocks.") and int(name.split(".")[1]) >= depth:
            continue
        if "qkv" in name:
            value = value.reshape(3, GEOMETRY.width, -1)[:, ::step].flatten(0, 1)
            value = value.squeeze(-1) if name.endswith("bias") else value[:, ::step]
        elif name == "patch_embed.proj.weight":
            value = value[::step]
        elif name == "head.weight":
            value = value[:, ::step]
        elif name != "head.bias":
            for axis in range(value.ndim):
                if value.shape[axis] in (GEOMETRY.width, GEOMETRY.hidden):
                    value = value.index_select(axis, torch.arange(0, value.shape[axis], step))
        made[name] = value
    return made


@pytest.mark.parametrize(("width", "depth"), [(16, 4), (16, 2), (48, 3)])
def test_numpy_and_torch_cut_the_same_network(learned: tuple[Manifest, TensorFile], width: int, depth: int) -> None:
    manifest, tensors = learned
    state = {name: torch.tensor(tensors.array(name)) for name in shapes(GEOMETRY)}
    made = load(initialize(manifest, Request(width=width, depth=depth)), tensors).state_dict()
    expected = cut(state, width, depth)
    assert made.keys() == expected.keys()
    assert all(torch.equal(made[name], value) for name, value in expected.items())


def test_an_ancestor_in_training_can_be_stopped_and_goes_on(tmp_path: Path) -> None:
    assert isinstance(TRAINED.ancestor, AncestorOptions)
    short = replace(TRAINED.ancestor, training=replace(TRAINING, epochs=1, warmup_epochs=0))
    job = replace(TRAINED, ancestor=short)
    assert learn(job, tmp_path, stops=True) == Stopped("ancestor", 1, 22)
    assert isinstance(learn(job, tmp_path), Learned)


def test_a_corrupt_ancestor_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vit.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(BadCheckpoint, match=r"vit\.safetensors can't be read as safetensors"):
        learn(STORED, tmp_path)


CHANGED: dict[str, dict[str, Any]] = {
    r"has heads 3 and \[geometry\] says 4": {"heads": 4},
    r"has norm_eps 1e-06 and \[geometry\] says 1e-05": {"norm_eps": 1e-5},
}


@pytest.mark.parametrize("sentence", CHANGED)
def test_flags_that_disagree_with_the_ancestors_are_refused(
    sentence: str, checkpoint: torch.nn.Module, tmp_path: Path
) -> None:
    theirs = {"img_size": 8, "patch_size": 4, "depth": 4, "embed_dim": 48, "num_heads": 3, "class_token": False}
    ancestor = AncestorOptions(
        "vit_tiny_patch16_224",
        arguments=theirs | {"global_pool": "avg", "fc_norm": False},
        mean=(0.3,),
        std=(0.38,),
        checkpoint="vit.safetensors",
    )
    with pytest.raises(InvalidValue, match=sentence):
        learn(replace(STORED, ancestor=ancestor, geometry=replace(GEOMETRY, **CHANGED[sentence])), tmp_path)


def test_tables_and_options_without_a_use_are_refused(checkpoint: torch.nn.Module, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"method 'selection' has no use for \[training\]; remove the table"):
        learn(replace(TRAINED, training=TRAINING), tmp_path)
    with pytest.raises(InvalidValue, match=r"method 'selection' needs \[ancestor\]; add the table"):
        learn(replace(STORED, ancestor=None), tmp_path)
    with pytest.raises(UnknownName, match="key in options"):
        learn(replace(STORED, options={"heads": "whole"}), tmp_path)


def test_what_is_stored_is_the_ancestor_and_nothing_else(learned: tuple[Manifest, TensorFile]) -> None:
    manifest, tensors = learned
    assert {name: tensor.shape for name, tensor in tensors.tensors.items()} == shapes(GEOMETRY)
    assert all(np.isfinite(tensors.array(name)).all() for name in tensors.tensors)
    assert manifest.training["options"] == {}

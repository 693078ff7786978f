"""WAVE from a checkpoint: cut out without images, or as a start of learning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cases import made

from learngenes import tensorfile
from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue
from learngenes.families import vit
from learngenes.families.vit import Geometry
from learngenes.initialize import Request, initialize
from learngenes.job import AncestorOptions, DataOptions, Learned, LearnJob, TrainingOptions
from learngenes.learners import LEARNERS
from learngenes.methods.wave.facts import facts_of
from learngenes.publish import publish
from learngenes.sizes import Size
from learngenes.store.memory import MemoryStore
from learngenes.training.vit import network

GEOMETRY = Geometry(depth=3, width=32, heads=4, patch=4, image=8, classes=10, channels=1)
DATA = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.38,), augment="light", padding=0, flip=0.0)


def whole_vit(path: Path) -> dict[str, np.ndarray]:
    torch.manual_seed(3)
    tensors = {name: value.detach().numpy().copy() for name, value in network(GEOMETRY).state_dict().items()}
    path.write_bytes(b"".join(tensorfile.write(tensors, "F32")))
    return tensors


def cutting(tmp_path: Path, **options: Any) -> tuple[LearnJob, dict[str, np.ndarray]]:
    tensors = whole_vit(tmp_path / "whole.safetensors")
    ancestor = AncestorOptions("vit", checkpoint="whole.safetensors", mean=(0.3,), std=(0.38,))
    return LearnJob("cut", "wave", GEOMETRY, ancestor=ancestor, options={"unit": 16, **options}), tensors


def learned(job: LearnJob, tmp_path: Path) -> Learned:
    outcome = LEARNERS["wave"](job, run=tmp_path, data=tmp_path, report=lambda event: None, stop=lambda: False)
    assert isinstance(outcome, Learned)
    return outcome


def test_a_checkpoint_is_condensed_without_images_and_its_error_is_in_the_manifest(tmp_path: Path) -> None:
    job, tensors = cutting(tmp_path, condense="svd", error=0.6)
    catalog = Catalog(MemoryStore())
    manifest = publish(job, learned(job, tmp_path), catalog=catalog)
    assert manifest.normalization.mean == (0.3,)
    recipe = initialize(manifest, Request())
    said = manifest.method_facts["errors"]
    built = made.network(recipe, manifest, catalog.tensors(manifest), tmp_path).state_dict()
    for name in vit.block_shapes(GEOMETRY):
        whole = np.stack([tensors[f"blocks.{i}.{name}"] for i in range(3)])
        found = np.stack([built[f"blocks.{i}.{name}"].numpy() for i in range(3)])
        norm = float(np.linalg.norm(whole))
        assert said[name] == pytest.approx(float(np.linalg.norm(found - whole)) / norm if norm else 0.0, abs=1e-5)
        assert said[name] <= 0.6
    np.testing.assert_allclose(built["pos_embed"].numpy(), tensors["pos_embed"], atol=1e-6)


def test_a_warm_start_is_the_ancestor_where_its_templates_suffice(tmp_path: Path) -> None:
    job, tensors = cutting(tmp_path, start="svd", templates=256, widths=[16], alpha=0.5)
    assert job.ancestor is not None
    training = TrainingOptions(epochs=1, batch=512, learning_rate=1e-12, min_lr=0.0, weight_decay=0.0)
    job = replace(job, data=DATA, training=training, ancestor=replace(job.ancestor, mean=(), std=()))
    outcome = learned(job, tmp_path)
    catalog = Catalog(MemoryStore())
    manifest = publish(job, outcome, catalog=catalog)
    assert facts_of(manifest).sizes == (Size(3, 32), Size(3, 16))
    built = made.network(initialize(manifest, Request()), manifest, catalog.tensors(manifest), tmp_path).state_dict()
    for name, value in tensors.items():
        np.testing.assert_allclose(built[name].numpy(), value, atol=1e-5)
    assert (
        made.logits(initialize(manifest, Request(width=16)), manifest, catalog.tensors(manifest), tmp_path)
        .isfinite()
        .all()
    )


def test_condensing_without_images_refuses_what_it_would_not_use(tmp_path: Path) -> None:
    job, _ = cutting(tmp_path, condense="svd", unit=12)
    with pytest.raises(InvalidValue, match="multiple of the head dimension 8 that divides width 32, got 12"):
        learned(job, tmp_path)

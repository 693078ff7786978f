"""How much a block adds when its stage has more or fewer of them than it was learned with."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from cases import made
from hypothesis import given
from hypothesis import strategies as st

from learngenes import gene
from learngenes.errors import BadManifest
from learngenes.gene import Manifest, Parent
from learngenes.initialize import Request, initialize
from learngenes.methods.sws.options import PlanOptions
from learngenes.methods.sws.plan import plan
from learngenes.planning.gain import BRANCHES, gains
from learngenes.planning.stages import layer_map
from learngenes.quality import load
from learngenes.recipe import digest
from learngenes.sizes import Size, SizeSpace, Steps
from learngenes.sources import Stored
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile

STAGES = (2, 1, 3)
FACTORS = {
    2: [2.0, 3.0],
    3: [2.0, 1.0, 3.0],
    4: [1.0, 1.0, 1.0, 3.0],
    8: [2 / 3, 2 / 3, 2 / 3, 1 / 2, 1 / 2, 1.0, 1.0, 1.0],
}


@pytest.fixture(scope="module")
def own() -> tuple[Manifest, TensorFile]:
    manifest, raw = made.staged(stages=STAGES)
    return manifest, TensorFile(raw)


def built(own: tuple[Manifest, TensorFile], **asked: Any) -> TensorFile:
    manifest, tensors = own
    return TensorFile(b"".join(stream(assemble(initialize(manifest, Request(**asked)), tensors))))


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_with_gain_a_stage_steps_as_far_as_it_was_learned_to(own: tuple[Manifest, TensorFile], depth: int) -> None:
    """By hand in torch: every branch of the plain network times its stage's n / c."""
    manifest, tensors = own
    plain: Any = load(initialize(manifest, Request(depth=depth)), tensors)
    louder = load(initialize(manifest, Request(depth=depth, options={"gain": "stage"})), tensors)
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        x = plain._pos_embed(plain.patch_embed(images))
        for block, factor in zip(plain.blocks, FACTORS[depth], strict=True):
            x = x + factor * block.attn(block.norm1(x))
            x = x + factor * block.mlp(block.norm2(x))
        logits = plain.forward_head(plain.norm(x))
        torch.testing.assert_close(louder(images), logits, rtol=1e-5, atol=1e-5)
        assert not torch.allclose(plain(images), logits, atol=1e-3)


@pytest.mark.parametrize("width", [16, 32])
def test_only_the_ends_of_the_branches_are_multiplied(own: tuple[Manifest, TensorFile], width: int) -> None:
    plain, louder = (built(own, depth=8, width=width, options={"gain": gain}) for gain in ("none", "stage"))
    for name in plain.tensors:
        block = int(name.split(".")[1]) if name.startswith("blocks.") else 0
        factor = FACTORS[8][block] if any(f".{branch}." in name for branch in BRANCHES) else 1.0
        if factor == 1.0:
            assert bytes(louder.raw(name)) == bytes(plain.raw(name))
        else:  # fan-in scaling rounds before or after: the last bit
            np.testing.assert_allclose(louder.array(name), np.float32(factor) * plain.array(name), rtol=3e-7)


@pytest.mark.parametrize("gain", ["root", "stage"])
def test_the_auxiliary_networks_own_depth_has_no_gain(own: tuple[Manifest, TensorFile], gain: str) -> None:
    manifest, _ = own
    recipe = initialize(manifest, Request(options={"gain": gain}))
    assert all(isinstance(entry.source, Stored) for entry in recipe.entries)
    assert digest(recipe) == digest(initialize(manifest, Request()))


@pytest.mark.parametrize("depth", [1, 3, 7, 20])
def test_without_gain_every_tensor_is_stored_as_ever(own: tuple[Manifest, TensorFile], depth: int) -> None:
    manifest, _ = own
    recipe = initialize(manifest, Request(depth=depth))
    assert all(isinstance(entry.source, Stored) for entry in recipe.entries)
    assert digest(initialize(manifest, Request(depth=depth, options={"gain": "none"}))) == digest(recipe)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6).map(tuple), st.integers(1, 40))
def test_what_a_stage_adds_stays_whatever_its_number_of_blocks(counts: tuple[int, ...], depth: int) -> None:
    layers = layer_map(depth, counts, PlanOptions())
    total: dict[int, float] = defaultdict(float)
    for stage, gain in zip(layers, gains(layers, counts, "stage"), strict=True):
        total[stage] += gain
    assert all(math.isclose(total[stage], counts[stage]) for stage in layers)
    squares = [gain**2 for gain in gains(layers, counts, "root")]
    assert np.allclose(squares, gains(layers, counts, "stage"))
    assert set(gains(layers, counts, "none")) == {1.0}


@pytest.mark.parametrize("found", [None, {}, {"gains": [1.0] * 5}, {"gains": [1.0] * 5 + ["1"]}, {"gains": 6}])
def test_a_fitted_size_without_two_gains_a_block_is_refused(own: tuple[Manifest, TensorFile], found: Any) -> None:
    manifest, _ = own
    child = replace(
        manifest,
        name=gene.fitted_name(manifest.name, Size(3, 32)),
        space=SizeSpace(Steps(3, 3), Steps(32, 32)),
        method_facts=manifest.method_facts | {"fitted": found},
        parent=Parent(manifest.reference, manifest.digest),
    )
    with pytest.raises(BadManifest, match="fitted to a size of 3 blocks and needs 6 gains"):
        plan(child, Size(3, 32), PlanOptions())
    assert plan(child, Size(3, 32), PlanOptions(calibration="none")) == plan(manifest, Size(3, 32), PlanOptions())

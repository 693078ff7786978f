"""The network of a Mini-DeiT learngene: names, counts, relative positions, and what it may change."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from cases import made
from cases import minideit as cases

from learngenes.errors import BadManifest, InvalidValue, UnsupportedSize
from learngenes.families.mini import MiniGeometry, bucket, macs, piecewise, shapes
from learngenes.families.vit import Geometry, block_shapes, frame_shapes
from learngenes.families.vit import macs as plain_macs
from learngenes.initialize import Request, initialize
from learngenes.methods.minideit.options import LearnOptions
from learngenes.quality import load
from learngenes.sources import Fill, Stored
from learngenes.tensorfile import TensorFile
from learngenes.training import mini, vit

BASE = Geometry(depth=12, width=768, heads=12, patch=16, image=224, classes=1000)
IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_mini_deit_base_of_six_sets_has_its_published_number_of_parameters() -> None:
    count = sum(math.prod(shape) for shape in shapes(MiniGeometry(BASE, 2)).values())
    shared = 6 * sum(map(math.prod, block_shapes(BASE).values())) + sum(map(math.prod, frame_shapes(BASE).values()))
    assert shared == 44_038_888
    assert count == shared + 12 * 2 * 144 + 6 * 2 * 2 * 768 + 12 * 64 * 49 == 44_098_408


def test_a_table_of_relative_positions_has_one_column_for_each_pair_of_seven_indices() -> None:
    assert MiniGeometry(BASE).buckets == 49
    assert [piecewise(offset) for offset in range(14)] == [0, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]
    assert all(piecewise(-offset) == -piecewise(offset) for offset in range(14))
    assert {bucket(r, c) for r in range(-13, 14) for c in range(-13, 14)} == set(range(49))
    assert (bucket(-13, -13), bucket(0, 0), bucket(1, 0), bucket(0, 1)) == (0, 24, 31, 25)


def test_the_extras_cost_what_two_mixes_and_the_position_scores_cost() -> None:
    extra = 12 * (2 * 12 * 12 * 196**2 + 196 * 768 * 49)
    assert macs(MiniGeometry(BASE, 2)) == plain_macs(BASE) + extra


@pytest.mark.parametrize("repeats", [1, 2, 3, 6])
def test_every_tensor_is_the_stored_one_and_blocks_name_their_set(repeats: int) -> None:
    manifest, _ = cases.make(repeats=repeats)
    recipe = initialize(manifest, Request())
    assert recipe.family == "mini" and recipe.geometry == MiniGeometry(made.TINY, repeats)
    assert all(entry.source == Stored(entry.name) for entry in recipe.entries)
    assert recipe.layer_map == tuple(i // repeats for i in range(6))


@pytest.mark.parametrize("repeats", [1, 2, 3])
def test_without_the_extras_it_is_the_plain_network_of_shared_stages(repeats: int) -> None:
    """Identity mixes, zero tables and equal norms: the paper's MS-WS1 of SWS's comparison."""
    torch.manual_seed(0)
    stages = (repeats,) * (6 // repeats)
    plain = vit.auxiliary(made.TINY, stages)
    network = mini.network(MiniGeometry(made.TINY, repeats), mix="identity")
    own = dict(network.named_parameters())
    stored = vit.stage_tensors(plain, stages)
    with torch.no_grad():
        for name, place in own.items():
            part, _, rest = name.partition(".")
            index, _, inner = rest.partition(".")
            if part == "sets":
                place.copy_(torch.from_numpy(stored[f"stages.{index}.{inner}"]))
            elif part != "blocks":
                place.copy_(torch.from_numpy(stored[name]))
            elif inner.startswith("norm"):
                place.copy_(torch.from_numpy(stored[f"stages.{int(index) // repeats}.{inner}"]))
    vit.choose_attention(plain, fused=False)
    with torch.inference_mode():
        assert torch.equal(network.eval()(IMAGES), plain.eval()(IMAGES))


def test_attention_is_scored_as_the_papers_formulas_say() -> None:
    geometry = MiniGeometry(replace(made.TINY, image=20, depth=2), 2)
    torch.manual_seed(0)
    network = mini.network(geometry)
    block = network.blocks[0]  # type: ignore[index]
    shared = block._borrowed[0]["attn"]
    with torch.no_grad():
        block.attn.rpe_k.normal_()
    x = torch.randn(1, 25, 32)
    heads, size = 4, 8
    q, k, v = shared.qkv(x)[0].reshape(25, 3, heads, size).permute(1, 2, 0, 3).detach().numpy()
    table = block.attn.rpe_k.detach().numpy()
    scores = np.empty((heads, 25, 25))
    for query in range(25):
        for key in range(25):
            column = bucket(query // 5 - key // 5, query % 5 - key % 5)
            for head in range(heads):
                scores[head, query, key] = q[head, query] @ (k[head, key] + table[:, column]) / math.sqrt(size)
    scores = np.einsum("gh,hqk->gqk", block.attn.mix_before.detach().numpy(), scores)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    weights = np.einsum("gh,hqk->gqk", block.attn.mix_after.detach().numpy(), weights)
    mixed = torch.from_numpy((weights @ v).transpose(1, 0, 2).reshape(25, 32)).float()
    torch.testing.assert_close(block.attn(x, shared)[0], shared.proj(mixed), rtol=1e-4, atol=1e-5)


def test_mixes_start_as_chosen_and_tables_at_zero() -> None:
    geometry = MiniGeometry(made.TINY, 2)
    drawn = dict(mini.network(geometry, drop_path=0.3).named_parameters())
    plain = dict(mini.network(geometry, mix="identity").named_parameters())
    mixes = [name for name in drawn if ".mix_" in name]
    assert len(mixes) == 12
    assert all(torch.equal(plain[name], torch.eye(4)) for name in mixes)
    assert 0.01 < torch.stack([drawn[name] for name in mixes]).std() < 0.03
    assert not any(drawn[name].any() for name in drawn if "rpe_k" in name)


def test_a_shared_set_is_trained_once_and_norms_for_each_block() -> None:
    network = mini.network(MiniGeometry(made.TINY, 3), mix="identity")
    network(IMAGES).sum().backward()
    named = dict(network.named_parameters())
    assert sum(name.endswith("attn.qkv.weight") for name in named) == 2
    assert sum(name.endswith("norm1.weight") for name in named) == 6
    assert all(parameter.grad is not None for parameter in named.values())


def test_drop_path_grows_linearly_over_all_blocks() -> None:
    network = mini.network(MiniGeometry(made.TINY, 2), drop_path=0.5)
    rates = [getattr(block.drop_path1, "drop_prob", 0.0) for block in network.blocks]  # type: ignore[union-attr]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_the_descendant_is_the_torch_network_bit_for_bit() -> None:
    manifest, raw = cases.make()
    tensors = TensorFile(raw)
    network = mini.network(MiniGeometry(made.TINY, 2))
    with torch.no_grad():
        for name, place in network.named_parameters():
            place.copy_(torch.from_numpy(tensors.array(name).copy()))
    with torch.inference_mode():
        assert torch.equal(load(initialize(manifest, Request()), tensors)(IMAGES), network.eval()(IMAGES))


def test_its_one_size_stays_and_so_do_its_inputs_but_not_its_head() -> None:
    manifest, _ = cases.make()
    for size in ({"depth": 5}, {"width": 16}):
        with pytest.raises(UnsupportedSize, match="it takes depth 6 and width 32"):
            initialize(manifest, Request(**size))
    for bridge in ({"img_size": 16}, {"patch_size": 2}, {"in_chans": 1}, {"pool": "token"}):
        with pytest.raises(InvalidValue, match="makes a network that is no plain ViT: its images, patches, channels"):
            initialize(manifest, Request(**bridge))
    recipe = initialize(manifest, Request(num_classes=3))
    fresh = {entry.name for entry in recipe.entries if isinstance(entry.source, Fill)}
    assert fresh == {"head.weight", "head.bias"} and recipe.geometry.classes == 3


@pytest.mark.parametrize("repeats", [None, "2", 4, 0])
def test_a_manifest_without_repeats_that_fit_is_refused(repeats: object) -> None:
    manifest, _ = cases.make()
    with pytest.raises(BadManifest, match=r"needs its repeats|does not divide into sets"):
        initialize(replace(manifest, method_facts={"repeats": repeats}), Request())


def test_options_and_geometries_that_can_not_be_are_refused() -> None:
    with pytest.raises(InvalidValue, match="depth 6 does not divide into sets of 4 blocks"):
        MiniGeometry(made.TINY, 4)
    with pytest.raises(InvalidValue, match="no class token; set class_token = false"):
        MiniGeometry(replace(made.TINY, class_token=True))
    for option, told in (("repeats", "at least 1"), ("alpha", "within 0..1"), ("temperature", "above 0")):
        with pytest.raises(InvalidValue, match=f"{option} is {told}, got -1"):
            LearnOptions(**{option: -1})

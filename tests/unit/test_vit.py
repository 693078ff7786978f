from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learngenes.errors import InvalidValue
from learngenes.families import vit
from learngenes.families.vit import Geometry

DEIT = Geometry(depth=12, width=384, heads=6, patch=16, image=224, classes=1000)
TINY = Geometry(depth=2, width=32, heads=2, patch=4, image=8, classes=10)
WIDTHS = {"Ti": (192, 3), "S": (384, 6), "B": (768, 12)}

BUILDS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "class token": {"class_token": True, "pool": "token"},
    "class token, average pool": {"class_token": True, "pool": "avg"},
    "norm after pool": {"norm": "after-pool"},
    "class token, norm after pool": {"class_token": True, "pool": "token", "norm": "after-pool"},
    "no bias of queries": {"qkv_bias": False},
    "one channel": {"channels": 1, "patch": 2},
    "narrow MLP": {"mlp_ratio": 2.3},
    "wider than small": {"width": 400, "heads": 5},
}


def deit(name: str, depth: int = 12) -> Geometry:
    width, heads = WIDTHS[name]
    return replace(DEIT, depth=depth, width=width, heads=heads)


@pytest.mark.parametrize("changed", BUILDS.values(), ids=BUILDS)
def test_timm_builds_the_same_tensors_from_our_arguments(changed: dict[str, Any]) -> None:
    import timm
    import torch

    geometry = replace(TINY, **changed)
    with torch.device("meta"):
        model = timm.create_model(
            vit.timm_architecture(geometry), num_classes=geometry.classes, **vit.timm_arguments(geometry)
        )
    theirs = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert theirs == vit.shapes(geometry)
    assert sum(math.prod(shape) for shape in theirs.values()) == vit.parameters(geometry)
    assert {block.norm1.eps for block in model.blocks} == {geometry.norm_eps}
    assert {block.attn.num_heads for block in model.blocks} == {geometry.heads}


def test_timm_cannot_build_another_epsilon_and_is_not_asked_to() -> None:
    with pytest.raises(InvalidValue, match="timm builds LayerNorm with eps 1e-06, this network has 1e-05"):
        vit.timm_arguments(replace(TINY, norm_eps=1e-5))


def test_the_count_everybody_knows() -> None:
    nine = Geometry(9, 384, 6, 16, 224, 1000, class_token=True, pool="token")
    assert vit.parameters(nine) == 16_727_272


@pytest.mark.parametrize(
    ("name", "block", "frame", "twelve", "sixteen"),
    [
        ("Ti", 444_864, 378_664, 5.717, 7.496),
        ("S", 1_774_464, 756_328, 22.050, 29.148),
        ("B", 7_087_872, 1_511_656, 86.566, 114.918),
    ],
)
def test_the_counts_of_the_paper(name: str, block: int, frame: int, twelve: float, sixteen: float) -> None:
    assert vit.parameters(deit(name, 2)) - vit.parameters(deit(name, 1)) == block
    assert vit.parameters(deit(name, 1)) - block == frame
    assert round(vit.parameters(deit(name, 12)) / 1e6, 3) == twelve
    assert round(vit.parameters(deit(name, 16)) / 1e6, 3) == sixteen


@pytest.mark.parametrize(("name", "millions"), [("B", 36.95), ("S", 9.63), ("Ti", 2.60)])
def test_a_learngene_of_five_stages_stores_what_the_paper_counts(name: str, millions: float) -> None:
    assert round(vit.parameters(deit(name, 5)) / 1e6, 2) == millions


def test_ten_separate_networks_are_as_large_as_the_paper_says() -> None:
    millions = [vit.parameters(deit("B", depth)) / 1e6 for depth in range(6, 16)]
    assert [round(count, 1) for count in millions] == [44.0, 51.1, 58.2, 65.3, 72.4, 79.5, 86.6, 93.7, 100.7, 107.8]
    assert round(sum(millions), 1) == 759.3


def test_the_multiply_adds_are_what_the_paper_prints_as_flops() -> None:
    printed = [8.8, 10.2, 11.7, 13.1, 14.6, 16.0, 17.5, 18.9, 20.4, 21.8, 23.3]
    assert [round(vit.macs(deit("B", depth)) / 1e9, 1) for depth in range(6, 17)] == printed


def test_a_class_token_is_one_token_more() -> None:
    assert (TINY.patches, TINY.tokens) == (4, 4)
    assert replace(TINY, class_token=True).tokens == 5
    assert vit.frame_shapes(replace(TINY, class_token=True))["cls_token"] == (1, 1, 32)


def test_the_names_of_a_block_are_listed_in_order() -> None:
    assert tuple(sorted(vit.block_shapes(TINY))) == vit.BLOCK_TENSORS


BROKEN: dict[str, dict[str, Any]] = {
    "depth is a whole number of 1 to 16777216, got 0": {"depth": 0},
    "depth is a whole number of 1 to 16777216, got True": {"depth": True},
    "classes is a whole number of 1 to 16777216, got 1.5": {"classes": 1.5},
    "channels is a whole number of 1 to 16777216, got -3": {"channels": -3},
    "width 32 does not divide into 3 heads": {"heads": 3},
    "image side 8 does not divide into patches of 3": {"patch": 3},
    "pool is 'token' or 'avg' and norm .*, got 'map' and": {"pool": "map"},
    "pool is 'token' or 'avg' and norm .*, got 'avg' and 'never'": {"norm": "never"},
    "pool 'token' needs class_token = true": {"pool": "token"},
    "got 0.0 and 1e-06": {"mlp_ratio": 0.0},
    "got 0.01 and 1e-06": {"mlp_ratio": 0.01},
    "got inf and 1e-06": {"mlp_ratio": math.inf},
    "got nan and 1e-06": {"mlp_ratio": math.nan},
    r"got 1e\+308 and 1e-06": {"mlp_ratio": 1e308},
    "got 4.0 and 0.0": {"norm_eps": 0.0},
    "got 4.0 and nan": {"norm_eps": math.nan},
    "got 4.0 and inf": {"norm_eps": math.inf},
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_geometry_that_cannot_be_cannot_exist(sentence: str) -> None:
    with pytest.raises(InvalidValue, match=sentence):
        replace(TINY, **BROKEN[sentence])


@given(st.integers(1, 2000), st.floats(0, 8) | st.integers(1, 2000).map(lambda n: 1 / n))
def test_every_network_that_can_exist_has_a_hidden_layer(width: int, mlp_ratio: float) -> None:
    try:
        geometry = replace(TINY, width=width, heads=1, mlp_ratio=mlp_ratio)
    except InvalidValue:
        assert width * mlp_ratio < 1
        return
    assert min(min(shape) for shape in vit.shapes(geometry).values()) >= 1

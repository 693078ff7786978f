from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cases.checkpoints import AVERAGED, PLAIN
from hypothesis import given
from hypothesis import strategies as st

from learngenes.errors import InvalidValue
from learngenes.families import vit
from learngenes.families.vit import Geometry
from learngenes.importing.geometry import check_fits, read_geometry

SMALL = Geometry(12, 384, 6, 16, 224, 1000, class_token=True, pool="token")


@pytest.mark.parametrize(
    "geometry",
    [
        SMALL,
        replace(SMALL, width=192, heads=3, patch=14),
        replace(SMALL, mlp_ratio=2.5),
        replace(SMALL, qkv_bias=False, channels=1),
        replace(SMALL, class_token=False, pool="avg", norm="after-pool"),
        replace(SMALL, class_token=False, pool="avg"),
        replace(SMALL, depth=1, classes=1),
    ],
)
def test_a_geometry_is_read_from_the_shapes_of_its_tensors(geometry: Geometry) -> None:
    assert read_geometry(vit.shapes(geometry)) == geometry


@given(st.tuples(st.integers(1, 20), st.integers(1, 30), st.integers(1, 32), st.integers(1, 20), st.floats(0.1, 8)))
def test_whatever_the_mlp_ratio_the_hidden_layer_is_the_one_stored(drawn: tuple[int, int, int, int, float]) -> None:
    depth, dozens, patch, side, ratio = drawn
    geometry = Geometry(depth, dozens * 12, 12, patch, side * patch, 7, mlp_ratio=ratio)
    found = read_geometry(vit.shapes(geometry), heads=12)
    assert vit.shapes(found) == vit.shapes(geometry)
    assert (found.hidden, found.image) == (geometry.hidden, geometry.image)


def test_what_tensors_do_not_show_can_be_said() -> None:
    both = replace(SMALL, pool="avg", heads=12)
    assert read_geometry(vit.shapes(both), heads=12, pool="avg") == both
    with pytest.raises(InvalidValue, match="norm is 'after-pool' and the file has 'norm', which is 'before-pool'"):
        read_geometry(vit.shapes(both), norm="after-pool")
    with pytest.raises(InvalidValue, match="width 384 does not divide into 7 heads"):
        read_geometry(vit.shapes(both), heads=7)


@pytest.mark.parametrize(("width", "why"), [(32, "it does not divide by 64"), (1280, "timm's networks of it have 16")])
def test_heads_that_are_not_sure_have_to_be_said(width: int, why: str) -> None:
    with pytest.raises(InvalidValue, match=f"how many heads width {width} has is not in the tensors, and {why}"):
        read_geometry(vit.shapes(Geometry(1, width, 16, 4, 8, 2)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"blocks.0.ls1.gamma": (64,)},
            r"'blocks.0.ls1.gamma' has shape \(64,\) in the file and no place .*LayerScale",
        ),
        ({"reg_token": (1, 4, 64)}, "register tokens"),
        ({"norm_pre.weight": (64,)}, "a norm before the blocks"),
        ({"blocks.2.attn.q_norm.weight": (64,)}, "norms of queries and keys"),
        ({"head_dist.weight": (10, 64)}, "another token or head"),
        ({"fc_norm.weight": (64,)}, "two last norms"),
        ({"blocks.2.mlp.fc1.weight": None}, r"'blocks.2.mlp.fc1.weight' is not in the file, .* shape \(256, 64\)"),
        ({"blocks.1.norm1.weight": (63,)}, r"'blocks.1.norm1.weight' has shape \(63,\) in the file and \(64,\)"),
        ({"head.weight": None}, "the network has no classifier"),
        ({"head.weight": (10,)}, r"'head.weight' has shape \(10,\); it says the classes in 2 axes"),
        (
            {"pos_embed": (1, 6, 64)},
            "'pos_embed' has 6 positions, which is no square of patches beside the class token",
        ),
        ({"pos_embed": (1, 1, 64)}, "has 1 positions"),
        ({"patch_embed.proj.weight": (64, 3, 4, 5)}, "patches are 4 x 5 pixels"),
        ({"patch_embed.proj.weight": None}, "'patch_embed.proj.weight' is not in the file"),
        ({"patch_embed.proj.weight": (64, 0, 4, 4)}, r"has shape \(64, 0, 4, 4\)"),
        ({"blocks.0.mlp.fc1.weight": None}, "'blocks.0.mlp.fc1.weight' is not in the file"),
        ({"blocks.600.norm1.weight": (64,)}, "the file has 601 blocks"),
    ],
)
def test_what_is_no_plain_vit_is_named(change: dict[str, Any], said: str) -> None:
    shapes = {name: shape for name, shape in (vit.shapes(PLAIN) | change).items() if shape is not None}
    with pytest.raises(InvalidValue, match=said):
        read_geometry(shapes)


def test_other_names_than_timms_are_said_to_be_others() -> None:
    with pytest.raises(InvalidValue, match=r"this is no ViT by timm's names, it starts with encoder.layer.0.weight"):
        read_geometry({"encoder.layer.0.weight": (3, 3)})
    with pytest.raises(InvalidValue, match="it starts with nothing"):
        read_geometry({})


def test_a_geometry_fits_its_own_shapes_alone() -> None:
    check_fits(vit.shapes(AVERAGED), AVERAGED)
    with pytest.raises(InvalidValue, match="depth 3 and width 64"):
        check_fits(vit.shapes(AVERAGED), PLAIN)

"""Networks of a learngene pool; the invariants are those of the method's notes, section 7.3."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from cases import learngenepool as cases
from cases import made

from learngenes.errors import BadManifest, InvalidValue, UnsupportedSize
from learngenes.families.stitched import Path, StitchedGeometry, paths
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.methods.learngenepool.options import LearnOptions, PlanOptions
from learngenes.methods.learngenepool.plan import narrower, space, stored_shapes
from learngenes.quality import load
from learngenes.recipe import Recipe
from learngenes.sizes import Size
from learngenes.sources import Fill, Stored
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile
from learngenes.training.stitched import Pool
from learngenes.training.vit import choose_attention

BLOCKS = made.TINY.depth
BASE = Geometry(depth=9, width=768, heads=12, patch=16, image=224, classes=1000)
IMAGES = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@cache
def opened(small: int = 16) -> tuple[Manifest, TensorFile]:
    manifest, raw = cases.make(small=small)
    return manifest, TensorFile(raw)


def built(path: object, *, small: int = 16, **request: object) -> tuple[Recipe, TensorFile]:
    manifest, tensors = opened(small)
    recipe = initialize(manifest, Request(options={"path": path}, **request))  # type: ignore[arg-type]
    return recipe, TensorFile(b"".join(stream(assemble(recipe, tensors))))


@cache
def pool(small: int = 16) -> Pool:
    """The learngene's own tensors in torch."""
    manifest, tensors = opened(small)
    made_pool = Pool(narrower(manifest.geometry, small), manifest.geometry, seed=0)
    named = dict(made_pool.named_parameters())
    assert named.keys() == tensors.tensors.keys()
    with torch.no_grad():
        for name, place in named.items():
            place.copy_(torch.from_numpy(tensors.array(name).copy()))
    choose_attention(made_pool, fused=False)
    return made_pool.eval()


@pytest.mark.parametrize(("blocks", "stored", "networks"), [(9, 70_870_736, 27), (6, 47_827_856, 18)])
def test_a_pool_of_deit_tiny_and_base_holds_as_much_and_makes_as_many_as_published(
    blocks: int, stored: int, networks: int
) -> None:
    large = replace(BASE, depth=blocks)
    shapes = stored_shapes(narrower(large, 192), large)
    assert sum(math.prod(shape) for shape in shapes.values()) == stored
    assert len(paths(blocks)) + 2 == networks
    assert shapes["stitches.0.weight"] == (768, 192) and f"stitches.{blocks - 1}.weight" not in shapes


def test_windows_are_numbered_as_in_the_authors_code() -> None:
    table = {(p.leave, p.enter): p.window for p in paths(6)}
    assert table == {
        **dict.fromkeys([(0, 0), (0, 1), (1, 0), (1, 1)], 0),
        **dict.fromkeys([(1, 2), (2, 1), (2, 2)], 1),
        **dict.fromkeys([(2, 3), (3, 2), (3, 3)], 2),
        **dict.fromkeys([(3, 4), (4, 3), (4, 4)], 3),
        **dict.fromkeys([(4, 5), (5, 4), (5, 5)], 4),
    }


@pytest.mark.parametrize("part", ["small", "large"])
def test_a_network_alone_is_the_stored_one_byte_for_byte_and_a_plain_vit(part: str) -> None:
    width = {"small": 16, "large": 32}[part]
    recipe, file = built(None, width=width, depth=BLOCKS)
    _, tensors = opened()
    assert (recipe.family, recipe.geometry.width, recipe.geometry.depth) == ("vit", width, BLOCKS)
    assert {f"{part}.{name}" for name in file.tensors} == {n for n in tensors.tensors if n.startswith(f"{part}.")}
    for name in file.tensors:
        np.testing.assert_array_equal(file.array(name), tensors.array(f"{part}.{name}"))
    assert recipe == built(part, width=width, depth=BLOCKS)[0]


@pytest.mark.parametrize("path", paths(BLOCKS), ids=str)
def test_every_path_has_its_depth_and_equals_the_pool_in_torch_bit_for_bit(path: Path) -> None:
    depth = (path.leave + 1) + (BLOCKS - path.enter)
    recipe, _ = built(f"{path.leave}-{path.enter}", depth=depth)
    assert isinstance(recipe.geometry, StitchedGeometry)
    assert (recipe.family, recipe.geometry.depth, recipe.geometry.width) == ("stitched", depth, 32)
    assert recipe.layer_map == (*range(path.leave + 1), *range(BLOCKS + path.enter, 2 * BLOCKS))
    assert recipe == built((path.leave, path.enter), depth=depth)[0]
    with torch.inference_mode():
        assert torch.equal(load(recipe, opened()[1])(IMAGES), pool().run(IMAGES, path))


@pytest.mark.parametrize("path", paths(BLOCKS)[:5], ids=str)
def test_between_equal_widths_the_stitch_is_the_identity_and_the_network_plain(path: Path) -> None:
    recipe, _ = built(f"{path.leave}-{path.enter}", small=32, depth=path.depth(BLOCKS))
    manifest, tensors = opened(32)
    assert isinstance(recipe.geometry, Geometry) and not [n for n in tensors.tensors if n.startswith("stitch")]
    assert manifest.space.width.first == manifest.space.width.last == 32
    with torch.inference_mode():
        assert torch.equal(load(recipe, tensors)(IMAGES), pool(32).run(IMAGES, path))


def test_all_paths_share_the_pools_tensors_by_reference() -> None:
    names = set()
    for path in paths(BLOCKS):
        recipe, _ = built((path.leave, path.enter), depth=path.depth(BLOCKS))
        assert all(isinstance(entry.source, Stored) for entry in recipe.entries)
        names |= {entry.source.name for entry in recipe.entries if isinstance(entry.source, Stored)}
    frame = {"norm.weight", "norm.bias", "head.weight", "head.bias"}
    embeddings = {"patch_embed.proj.weight", "patch_embed.proj.bias", "pos_embed"}
    unused = {f"small.{name}" for name in frame} | {f"large.{name}" for name in embeddings}
    assert names == opened()[1].tensors.keys() - unused


@pytest.mark.parametrize(("depth", "middle"), [(BLOCKS + 1, "3-3"), (BLOCKS + 2, "3-2")])
def test_a_depth_of_several_paths_gives_the_middle_one(depth: int, middle: str) -> None:
    assert built(None, depth=depth)[0] == built(middle, depth=depth)[0]


@pytest.mark.parametrize("depth", [BLOCKS + 1, BLOCKS + 2])
def test_the_small_width_is_no_deeper_than_the_small_network(depth: int) -> None:
    with pytest.raises(
        UnsupportedSize, match=f"can't be depth {depth}, width 16: stitched networks are as wide"
    ) as error:
        built(None, depth=depth, width=16)
    assert error.value.nearest == Size(BLOCKS, 16)
    assert built(None, depth=BLOCKS, width=16)[0].geometry.depth == BLOCKS


def test_a_path_that_is_none_or_of_another_size_is_refused_with_the_way_out() -> None:
    with pytest.raises(InvalidValue, match="path 0-2 is none of learngene tiny@1: its ends are blocks 0 to 5"):
        built("0-2")
    with pytest.raises(InvalidValue, match="path 3-3 has depth 7 and width 32, depth 6 and width 32 are asked for"):
        built("3-3")
    with pytest.raises(InvalidValue, match="path 2-3 has depth 6 and width 32, depth 6 and width 16 are asked for"):
        built("2-3", width=16)
    with pytest.raises(InvalidValue, match="path is 'small', 'large', or two blocks such as '3-4', got 'middle'"):
        built("middle")
    with pytest.raises(InvalidValue, match="path counts blocks from 0"):
        PlanOptions(path=(-1, 0))


def test_a_stitched_network_takes_another_head_and_no_other_bridge() -> None:
    recipe, _ = built("2-3", num_classes=4)
    fresh = {entry.name for entry in recipe.entries if isinstance(entry.source, Fill)}
    assert fresh == {"back.head.weight", "back.head.bias"} and recipe.geometry.classes == 4
    for bridge in ({"img_size": 16}, {"patch_size": 2}, {"in_chans": 1}, {"pool": "token"}):
        with pytest.raises(InvalidValue, match="makes a network that is no plain ViT: its images, patches, channels"):
            built("2-3", **bridge)
    assert built(None, img_size=16)[0].geometry == replace(made.TINY, image=16)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"widths": None}, "needs the widths of its two networks, got None"),
        ({"widths": [16]}, r"needs the widths of its two networks, got \[16\]"),
        ({"widths": [16, 64]}, "a large network of width 64 and at least 2 blocks, the geometry has width 32 and 6"),
        ({"widths": [12, 32]}, "width 12 is no multiple of 8"),
        ({"widths": [40, 32]}, "width 40 is no multiple of 8 up to that"),
    ],
)
def test_a_manifest_without_two_widths_is_refused(facts: dict[str, object], told: str) -> None:
    with pytest.raises(BadManifest, match=told):
        initialize(replace(opened()[0], method_facts=facts), Request())


def test_before_anything_is_learned_the_space_is_the_large_networks() -> None:
    assert space(made.TINY, {}).width.first == 32
    assert space(made.TINY, {"widths": [8, 32]}).width.first == 8


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"widths": (32, 16)}, "widths are of the small and then the large network, got 32 and 16"),
        ({"blocks": 1}, "blocks is at least 2, got 1"),
        ({"alpha": 1.5}, "alpha is within 0..1, got 1.5"),
        ({"pool_alpha": -1.0}, "pool_alpha is within 0..1, got -1.0"),
        ({"images": 0}, "images is at least 1, got 0"),
        ({"init": "ours", "features": False}, "set features = true or init = 'snnet'"),
    ],
)
def test_options_that_can_not_be_are_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        LearnOptions(**{"widths": (16, 32), "blocks": 6, **options})  # type: ignore[arg-type]

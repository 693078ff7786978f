"""TLEG's invariants by number: every tensor of block i is base + i/depth * slope."""

from __future__ import annotations

import numpy as np
import pytest
from cases import tleg

from learngenes.families import vit
from learngenes.families.vit import Geometry, block_shapes, frame_shapes
from learngenes.initialize import Request, initialize
from learngenes.sources import Stored
from learngenes.stream import assemble, stream
from learngenes.tensorfile import FloatArray, TensorFile

MANIFEST, RAW = tleg.make()
LEARNGENE = TensorFile(RAW)
BLOCK = sorted(block_shapes(MANIFEST.geometry))


def layers(depth: int) -> list[dict[str, FloatArray]]:
    file = TensorFile(b"".join(stream(assemble(initialize(MANIFEST, Request(depth=depth)), LEARNGENE))))
    return [{name: file.array(f"blocks.{i}.{name}") for name in BLOCK} for i in range(depth)]


@pytest.mark.parametrize("depth", [3, 6, 11])
def test_e1_second_differences_over_layers_vanish(depth: int) -> None:
    made = layers(depth)
    for name in BLOCK:
        for before, at, after in zip(made, made[1:], made[2:], strict=False):
            np.testing.assert_allclose(after[name] - 2 * at[name] + before[name], 0, atol=1e-6)


@pytest.mark.parametrize("depth", [1, 2, 6, 31])
def test_e2_the_first_block_is_the_base_bit_for_bit(depth: int) -> None:
    for name, value in layers(depth)[0].items():
        assert value.tobytes() == LEARNGENE.array(f"base.{name}").tobytes()
    copied = {
        entry.name
        for entry in initialize(MANIFEST, Request(depth=depth)).entries
        if entry.source == Stored(entry.name.replace("blocks.0.", "base."))
    }
    assert copied == {f"blocks.0.{name}" for name in BLOCK} | frame_shapes(MANIFEST.geometry).keys()


@pytest.mark.parametrize("depth", [1, 3, 6, 12])
def test_e3_block_i_is_block_two_i_of_twice_the_depth(depth: int) -> None:
    for shallow, deep in zip(layers(depth), layers(2 * depth)[::2], strict=True):
        for name in BLOCK:
            np.testing.assert_array_equal(shallow[name], deep[name])


def test_e5_flattened_layers_have_rank_two() -> None:
    made = layers(9)
    for name in BLOCK:
        flat = np.stack([layer[name].reshape(-1).astype(np.float64) for layer in made])
        assert np.linalg.matrix_rank(flat, tol=1e-4) == 2


def test_e6_two_layers_determine_all() -> None:
    made = layers(8)
    for name in BLOCK:
        step = (made[4][name].astype(np.float64) - made[0][name]) / 4
        for i, layer in enumerate(made):
            np.testing.assert_allclose(layer[name], made[0][name] + i * step, atol=1e-6)


def test_the_rule_is_the_authors_with_the_descendants_own_depth() -> None:
    for depth in (2, 7):
        for i, layer in enumerate(layers(depth)):
            for name, value in layer.items():
                base, slope = LEARNGENE.array(f"base.{name}"), LEARNGENE.array(f"slope.{name}")
                np.testing.assert_array_equal(value, base + np.float32(i / depth) * slope)


@pytest.mark.parametrize(("width", "heads", "count"), [(192, 3, 1_268_392), (384, 6, 4_305_256), (768, 12, 15_687_400)])
def test_what_is_stored_counts_as_in_the_paper(width: int, heads: int, count: int) -> None:
    geometry = Geometry(depth=12, width=width, heads=heads, patch=16, image=224, classes=1000)
    one = sum(int(np.prod(shape)) for shape in block_shapes(geometry).values())
    frame = sum(int(np.prod(shape)) for shape in frame_shapes(geometry).values())
    assert 2 * one + frame == count


def test_another_width_is_picked_from_base_and_slope_alike() -> None:
    recipe = initialize(MANIFEST, Request(depth=4, width=16, options={"scale": "none"}))
    made = TensorFile(b"".join(stream(assemble(recipe, LEARNGENE))))
    wide = layers(4)
    assert recipe.geometry == Geometry(4, 16, 2, 4, 8, 10)
    rows = np.arange(0, 32, 2)
    for i in range(4):
        np.testing.assert_array_equal(made.array(f"blocks.{i}.norm1.weight"), wide[i]["norm1.weight"][rows])
    assert {name: t.shape for name, t in made.tensors.items()} == vit.shapes(recipe.geometry)


def test_the_most_important_heads_and_units_are_picked_from_base_and_slope_by_one_ranking() -> None:
    rankings = {"rankings.res": 32, "rankings.base.heads": 4, "rankings.base.hidden": 128}
    manifest, raw = tleg.make(rankings=rankings)
    stored = TensorFile(raw)
    recipe = initialize(manifest, Request(depth=3, width=16, options={"select": "importance", "scale": "none"}))
    made = TensorFile(b"".join(stream(assemble(recipe, stored))))
    res, heads, hidden = (np.sort(stored.indices(name)[: n // 2]) for name, n in rankings.items())
    for i in range(3):
        line = {n: stored.array(f"base.{n}") + np.float32(i / 3) * stored.array(f"slope.{n}") for n in BLOCK}
        qkv = line["attn.qkv.weight"].reshape(3, 4, 8, 32)[:, heads][..., res].reshape(48, 16)
        np.testing.assert_array_equal(made.array(f"blocks.{i}.attn.qkv.weight"), qkv)
        np.testing.assert_array_equal(
            made.array(f"blocks.{i}.mlp.fc2.weight"), line["mlp.fc2.weight"][np.ix_(res, hidden)]
        )

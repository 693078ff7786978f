"""Expanding WAVE: W1 to W4, W6 and W8 are the invariants of the method's notes."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import factories
import numpy as np
import pytest
import torch
from cases import made, wave

from learngenes import tensorfile
from learngenes.errors import BadManifest, InvalidValue, NeedsLearning
from learngenes.families.vit import block_shapes, frame_shapes
from learngenes.formulas import compute
from learngenes.gene import Manifest, to_json, weigh
from learngenes.initialize import Request, initialize
from learngenes.methods.wave.facts import at, cuts, facts_of, scalers_name, templates_name
from learngenes.methods.wave.grids import Cut, block_cuts
from learngenes.methods.wave.pieces import pieces
from learngenes.methods.wave.scalers import places
from learngenes.recipe import Recipe
from learngenes.recipe import to_json as recipe_json
from learngenes.sizes import Size
from learngenes.sources import Joined, KronSum, Source, Stored
from learngenes.stream import assemble, stream
from learngenes.tensorfile import FloatArray, TensorFile

SIZES = ((4, 32), (4, 16))
MATRICES = [name for name, shape in block_shapes(wave.GEOMETRY).items() if len(shape) == 2]


@cache
def opened(**options: Any) -> tuple[Manifest, TensorFile]:
    manifest, raw = wave.make(**options)
    return manifest, TensorFile(raw)


def built(manifest: Manifest, tensors: TensorFile, **request: Any) -> TensorFile:
    return TensorFile(b"".join(stream(assemble(initialize(manifest, Request(**request)), tensors))))


def changed(manifest: Manifest, tensors: TensorFile, values: dict[str, FloatArray]) -> tuple[Manifest, TensorFile]:
    """The same learngene with other values under some names."""
    held = {name: tensors.array(name) for name in tensors.tensors} | values
    file = TensorFile(b"".join(tensorfile.write(held, "F32")))
    return replace(manifest, weights=weigh(file)), file


@pytest.mark.parametrize(("depth", "width"), SIZES)
@pytest.mark.parametrize("name", MATRICES)
def test_w1_every_matrix_is_the_sum_of_kronecker_products(depth: int, width: int, name: str) -> None:
    manifest, tensors = opened()
    file = built(manifest, tensors, depth=depth, width=width)
    templates = tensors.array(templates_name(name)).astype(np.float64)
    scalers = tensors.array(scalers_name(Size(depth, width), name)).astype(np.float64)
    for block in range(depth):
        expected = sum(np.kron(s, t) for s, t in zip(scalers[block], templates, strict=True))
        np.testing.assert_allclose(file.array(f"blocks.{block}.{name}"), expected, atol=1e-6)


def test_w1_vectors_are_sums_too_and_scales_of_norms_are_one_more() -> None:
    manifest, tensors = opened()
    file = built(manifest, tensors)
    for name, one in (("attn.qkv.bias", 0), ("norm1.weight", 1), ("norm1.bias", 0), ("mlp.fc1.bias", 0)):
        templates, scalers = tensors.array(templates_name(name)), tensors.array(scalers_name(Size(4, 32), name))
        expected = one + np.einsum("lna,ni->lai", scalers, templates).reshape(4, -1)
        found = np.stack([file.array(f"blocks.{i}.{name}") for i in range(4)])
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_w1_the_frame_grows_along_the_axis_of_its_width() -> None:
    manifest, tensors = opened()
    file = built(manifest, tensors)
    size = Size(4, 32)
    for name, along in (("pos_embed", 2), ("head.weight", 1), ("patch_embed.proj.weight", 0)):
        templates, scalers = tensors.array(templates_name(name)), tensors.array(scalers_name(size, name))
        whole = sum(np.kron(s, t) for s, t in zip(scalers, templates, strict=True))
        np.testing.assert_allclose(file.array(name), whole.reshape(file.tensors[name].shape), atol=1e-6)
        assert file.tensors[name].shape[along] == 32
    np.testing.assert_array_equal(file.array("head.bias"), tensors.array("head.bias"))


@pytest.mark.parametrize("name", MATRICES)
def test_w2_the_pieces_of_all_layers_have_at_most_as_many_directions_as_templates(name: str) -> None:
    manifest, tensors = opened()
    file = built(manifest, tensors)
    cut = block_cuts(manifest.geometry, 16)[name]
    stacked = np.concatenate([pieces(file.array(f"blocks.{i}.{name}"), cut, "scaler-first") for i in range(4)])
    assert np.linalg.matrix_rank(stacked, tol=1e-5) == 3 < min(stacked.shape)


def test_w3_shapes_of_scalers_follow_from_depth_width_and_unit_alone() -> None:
    one, other = (
        opened()[0],
        opened(geometry=replace(made.TINY, depth=9, width=64, heads=8), sizes=((9, 64), (4, 32)))[0],
    )
    for name in cuts(one.geometry, facts_of(one)):
        where = scalers_name(Size(4, 32), name)
        assert one.weights.tensors[where].shape == other.weights.tensors[where].shape
        stored = templates_name(name)
        assert one.weights.tensors[stored].shape == other.weights.tensors[stored].shape


def kronecker(shape: tuple[int, ...], scalers: str, templates: Source, terms: int) -> Source:
    rows, columns = shape[0] if len(shape) > 1 else 1, int(np.prod(shape)) // (shape[0] if len(shape) > 1 else 1)
    return KronSum(Stored(scalers), templates, terms, (1, 1), (rows, columns))


@pytest.mark.parametrize("depth", [3, 6, 11])
def test_w4_an_sws_descendant_is_a_sum_with_one_by_one_scalers_bit_for_bit(depth: int) -> None:
    manifest, raw = factories.learngene()
    stored = TensorFile(raw)
    recipe = initialize(manifest, Request(depth=depth))
    hot = {f"scalers.{i}": np.eye(3, dtype=np.float32)[stage] for i, stage in enumerate(recipe.layer_map)}
    _, reader = changed(manifest, stored, hot)
    for entry in recipe.entries:
        if entry.name.startswith("blocks."):
            _, block, name = entry.name.split(".", 2)
            stages = tuple(Stored(f"stages.{m}.{name}") for m in range(3))
            source = kronecker(entry.shape, f"scalers.{block}", joined(stages, entry.shape), 3)
            np.testing.assert_array_equal(
                compute(source, entry.shape, reader), compute(entry.source, entry.shape, stored)
            )


@pytest.mark.parametrize("depth", [2, 5, 12])
def test_w4_a_linear_expansion_is_a_sum_with_one_by_one_scalers_bit_for_bit(depth: int) -> None:
    draw = np.random.default_rng(0)
    shape = (24, 8)
    base, slope = (draw.normal(size=shape).astype(np.float32) for _ in range(2))
    for block in range(depth):
        at = block / depth
        values = {"base": base, "slope": slope, "scalers": np.array([1, at], np.float32)}
        file = TensorFile(b"".join(tensorfile.write(values, "F32")))
        source = kronecker(shape, "scalers", joined((Stored("base"), Stored("slope")), shape), 2)
        np.testing.assert_array_equal(compute(source, shape, file), base + np.float32(at) * slope)


def joined(sources: tuple[Source, ...], shape: tuple[int, ...]) -> Source:
    return Joined(sources, ((1, *shape),) * len(sources), axis=0)


def shuffle(grid: int, block: int, parts: int = 1) -> np.ndarray:
    """Where the index a * block + i of scaler-first lies template-first: i * grid + a, within each part."""
    i, a = np.meshgrid(np.arange(block), np.arange(grid // parts), indexing="ij")
    inner = (a * block + i).ravel()
    return np.concatenate([inner + part * len(inner) for part in range(parts)])


def test_w6_the_two_orders_differ_by_a_fixed_shuffle_of_rows_and_columns() -> None:
    files = [built(*opened(order=order)) for order in ("scaler-first", "template-first")]
    manifest = opened()[0]
    for name, (cut, _, in_blocks) in cuts(manifest.geometry, facts_of(manifest)).items():
        full = f"blocks.1.{name}" if in_blocks else name
        first, second = (file.array(full).reshape(rows(cut), columns(cut)) for file in files)
        moved = first[shuffle(cut.grid[0], cut.block[0], cut.parts)][:, shuffle(cut.grid[1], cut.block[1])]
        np.testing.assert_array_equal(moved, second)
        if cut.grid != (1, 1) and cut.block[1] > 1:
            assert not np.array_equal(first, second)


def rows(cut: Cut) -> int:
    return cut.grid[0] * cut.block[0]


def columns(cut: Cut) -> int:
    return cut.grid[1] * cut.block[1]


def test_w8_without_scalers_every_block_is_the_identity(tmp_path: Path) -> None:
    manifest, tensors = opened()
    size = Size(4, 32)
    names = [scalers_name(size, name) for name in block_cuts(manifest.geometry, 16)]
    zeros = {name: np.zeros(tensors.tensors[name].shape, np.float32) for name in names}
    manifest, tensors = changed(manifest, tensors, zeros)
    network: Any = made.network(initialize(manifest, Request()), manifest, tensors, tmp_path)
    x = torch.randn(2, 4, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert all(torch.equal(block(x), x) for block in network.blocks)
    assert all((block.norm1.weight == 1).all() for block in network.blocks)


BUILD = """
import hashlib, pathlib, sys
from learngenes import gene
from learngenes.initialize import Request, initialize
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile
for folder in map(pathlib.Path, sys.argv[1:]):
    manifest = gene.from_json((folder / "manifest.json").read_bytes())
    recipe = initialize(manifest, Request(depth=5, width=48, options={"scalers": "interp"}))
    tensors = TensorFile.open(folder / "tensors.safetensors")
    print(hashlib.sha256(b"".join(stream(assemble(recipe, tensors)))).hexdigest())
"""


def test_bytes_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    for order in ("scaler-first", "template-first"):
        manifest, tensors = opened(order=order)
        (tmp_path / order).mkdir()
        (tmp_path / order / "manifest.json").write_bytes(to_json(manifest))
        (tmp_path / order / "tensors.safetensors").write_bytes(tensors.view)
    found = set()
    for threads in ("1", "2"):
        counts = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        words = [sys.executable, "-c", BUILD, *(str(path) for path in sorted(tmp_path.iterdir()))]
        done = subprocess.run(words, capture_output=True, check=True, env=os.environ | counts)
        found.add(done.stdout)
    assert len(found) == 1 and len(set(found.pop().split())) == 2


def test_a_size_without_scalers_needs_learning_and_names_the_way_out() -> None:
    manifest, _ = opened()
    with pytest.raises(NeedsLearning) as error:
        initialize(manifest, Request(depth=6, width=16))
    assert error.value.size == Size(6, 16) and error.value.ready == (Size(4, 16), Size(4, 32))
    assert str(error.value) == (
        "learngene tiny@1 has no scalers for depth 6, width 16; it has them for depth 4 width 16, depth 4 width 32; "
        "fit them on a little data: learngenes fit-size tiny --depth 6 --width 16 ..., or ask for scalers 'interp'"
    )


@pytest.mark.parametrize("scalers", ["interp", "random", "onehot"])
@pytest.mark.parametrize(("depth", "width"), [(1, 16), (4, 32), (7, 64), (3, 48)])
@pytest.mark.parametrize("order", ["scaler-first", "template-first"])
def test_any_size_can_be_had_by_a_rule(scalers: str, depth: int, width: int, order: str, tmp_path: Path) -> None:
    manifest, tensors = opened(order=order)
    recipe = ruled(manifest, depth, width, scalers)
    assert (recipe.geometry.depth, recipe.geometry.width, recipe.geometry.heads) == (depth, width, width // 8)  # type: ignore[union-attr]
    assert made.logits(recipe, manifest, tensors, tmp_path).shape == (2, 10)


def ruled(manifest: Manifest, depth: int, width: int, scalers: str, **more: Any) -> Recipe:
    return initialize(manifest, Request(depth=depth, width=width, options={"scalers": scalers}, **more))


def test_interpolating_to_a_stored_size_gives_what_is_stored() -> None:
    manifest, tensors = opened()
    for depth, width in SIZES:
        by_rule, stored = (
            built(manifest, tensors, depth=depth, width=width, options={"scalers": s}) for s in ("interp", "fitted")
        )
        assert by_rule.view == stored.view


def test_layers_are_interpolated_by_their_relative_position_and_ends_are_kept() -> None:
    assert [(i, float(beyond)) for i, beyond in places(4, 2)] == [(0, 0.5), (2, 0.5)]
    assert [(i, float(beyond)) for i, beyond in places(2, 4)] == [(0, 0.0), (0, 0.25), (0, 0.75), (1, 0.0)]
    assert [i for i, _ in places(5, 5)] == [0, 1, 2, 3, 4]
    assert places(1, 3) == [(0, 0)] * 3
    manifest, tensors = opened()
    name = "mlp.fc1.bias"
    scalers = tensors.array(scalers_name(Size(4, 32), name))
    file = built(manifest, tensors, depth=2, options={"scalers": "interp"})
    halves = [(scalers[0] + scalers[1]) / 2, (scalers[2] + scalers[3]) / 2]
    for block, half in enumerate(halves):
        expected = np.einsum("na,ni->ai", half, tensors.array(templates_name(name))).ravel()
        np.testing.assert_allclose(file.array(f"blocks.{block}.{name}"), expected, atol=1e-6)
    assert initialize(manifest, Request(depth=2, options={"scalers": "interp"})).layer_map == (0, 2)


def test_a_wider_grid_of_equal_scalers_keeps_them_and_scales_what_sums_over_more_inputs() -> None:
    manifest, tensors = opened(sizes=((4, 32),))
    names = cuts(manifest.geometry, facts_of(manifest))
    ones = {
        scalers_name(Size(4, 32), name): np.ones(tensors.tensors[scalers_name(Size(4, 32), name)].shape, np.float32)
        for name in names
    }
    manifest, tensors = changed(manifest, tensors, ones)
    wide, own = built(manifest, tensors, width=64, options={"scalers": "interp"}), built(manifest, tensors)
    for name, factor in (("blocks.0.attn.qkv.weight", 0.5**0.5), ("blocks.0.mlp.fc2.weight", 0.5**0.5)):
        np.testing.assert_allclose(wide.array(name)[:16, :16], own.array(name)[:16, :16] * factor, atol=1e-6)
    for name in ("pos_embed", "norm.weight", "patch_embed.proj.weight", "blocks.3.attn.qkv.bias"):
        whole = wide.array(name).reshape(-1)
        assert np.isin(np.unique(whole.round(5)), np.unique(own.array(name).round(5))).all()


def test_one_hot_scalers_show_a_template_at_every_place() -> None:
    manifest, tensors = opened()
    file = built(manifest, tensors, depth=5, options={"scalers": "onehot"})
    templates = tensors.array(templates_name("attn.proj.weight"))
    for block in range(5):
        np.testing.assert_array_equal(
            file.array(f"blocks.{block}.attn.proj.weight"), np.tile(templates[block % 3], (2, 2))
        )


def test_random_scalers_follow_the_seed_and_have_the_variance_of_one_over_the_templates() -> None:
    manifest, tensors = opened()
    first, again, other = (ruled(manifest, 4, 64, "random", seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    source = next(e.source for e in first.entries if e.name == "blocks.0.mlp.fc1.weight")
    assert isinstance(source, KronSum)
    drawn = compute(source.scalers, (3, *source.grid), tensors)
    assert drawn.std() == pytest.approx(0.88 * 3**-0.5, rel=0.1)  # cutting at two deviations leaves 0.88 of one


def test_widths_are_multiples_of_the_unit_with_heads_of_one_dimension() -> None:
    manifest, _ = opened()
    assert (manifest.space.width.first, manifest.space.width.last, manifest.space.width.step) == (16, 512, 16)
    assert at(manifest.geometry, Size(2, 48)).heads == 6


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"unit": 12}, "unit is a multiple of the head dimension 8 that divides width 32, got 12"),
        ({"unit": 0}, "unit is a whole number of at least 1, got 0"),
        ({"unit": True}, "unit is a whole number"),
        ({"sizes": []}, "wave needs unit, templates, frame, order and sizes"),
        ({"sizes": [[4]]}, "wave needs unit, templates, frame, order and sizes"),
        ({"order": "sideways"}, "wave needs unit, templates, frame, order and sizes"),
        ({"templates": 0}, "wave needs unit, templates, frame, order and sizes"),
    ],
)
def test_facts_that_disagree_are_refused(facts: dict[str, Any], message: str) -> None:
    manifest, _ = opened()
    with pytest.raises(BadManifest, match=message.replace("(", r"\(")):
        initialize(replace(manifest, method_facts=manifest.method_facts | facts), Request())


def test_a_width_off_the_unit_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        InvalidValue, match="takes depth 1 to 512 and width 16 to 512 in steps of 16; the nearest is depth 4"
    ):
        initialize(opened()[0], Request(width=40))


def test_a_recipe_at_the_greatest_depth_stays_small() -> None:
    manifest, _ = opened()
    recipe = ruled(manifest, 512, 64, "interp")
    assert len(recipe.entries) == 512 * 12 + len(frame_shapes(manifest.geometry))
    assert len(zlib.compress(recipe_json(recipe))) < 400 * 512


def test_labels_pick_rows_of_the_head_that_is_made() -> None:
    manifest, tensors = opened(labels=tuple("abcdefghij"))
    file, own = built(manifest, tensors, labels=("b", "a")), built(manifest, tensors)
    np.testing.assert_array_equal(file.array("head.weight"), own.array("head.weight")[[1, 0]])

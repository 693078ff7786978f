"""A virtual file with computed entries: any range of it, in any dtype, over one file or several."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from cases import made
from hypothesis import given
from hypothesis import strategies as st

from learngenes import tensorfile
from learngenes.families import vit
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.recipe import Recipe
from learngenes.sources import Affine, Fill, KronSum, Pick, Resized, Source, Stored
from learngenes.stream import Span, VirtualFile, assemble, stream
from learngenes.tensorfile import TensorFile, TensorFiles

WANTED = {"depth": 3, "width": 16, "img_size": 12, "in_chans": 1, "num_classes": 3}
ROUNDING = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@cache
def learngene(dtype: str = "F32") -> tuple[Manifest, TensorFile]:
    shapes = vit.frame_shapes(made.TINY) | {
        f"stages.{i}.{name}": shape for i in range(3) for name, shape in vit.block_shapes(made.TINY).items()
    }
    extra = {"slope": (16,), "scalers": (2, 4, 1), "templates": (2, 16, 16)}
    manifest, raw = made.learngene("sws", shapes | extra, facts={"stages": [2, 2, 2]}, dtype=dtype)
    return manifest, TensorFile(raw)


@cache
def recipe(dtype: str = "F32", stored: str = "F32") -> Recipe:
    """Every kind of source in one recipe."""
    wanted = initialize(learngene(stored)[0], Request(**WANTED))
    wanted = replace(wanted, dtype=dtype)
    entries = []
    for entry in wanted.entries:
        source: Source = entry.source
        if entry.name == "norm.weight":
            source = Affine(source, Stored("slope"), 0.3)
        if entry.name == "blocks.2.mlp.fc1.weight":
            source = KronSum(Stored("scalers"), Stored("templates"), 2, (4, 1), (16, 16))
        if entry.name == "blocks.1.norm1.weight":
            source = Stored("slope")
        entries.append(replace(entry, source=source))
    return replace(wanted, entries=tuple(entries))


@cache
def virtual(dtype: str, stored: str = "F32") -> tuple[VirtualFile, bytes]:
    tensors = learngene(stored)[1]
    converted = TensorFile(b"".join(tensorfile.convert(tensors, dtype)))
    file = assemble(recipe(dtype, stored), tensors, converted=converted)
    return file, b"".join(stream(file))


def test_every_kind_of_source_is_in_the_file() -> None:
    assert {type(entry.source) for entry in recipe().entries} >= {Stored, Fill, Affine, Pick, KronSum, Resized}


@given(st.sampled_from(sorted(ROUNDING)), st.data())
def test_a_range_equals_the_same_slice_of_the_whole_file(dtype: str, data: st.DataObject) -> None:
    file, whole = virtual(dtype)
    seams = st.sampled_from([*file.starts, file.size]) | st.integers(0, file.size)
    start, stop = sorted((data.draw(seams), data.draw(seams)))
    assert b"".join(stream(file, start=start, stop=stop, chunk_bytes=700)) == whole[start:stop]


@pytest.mark.parametrize("stored", sorted(ROUNDING))
@pytest.mark.parametrize("dtype", sorted(ROUNDING))
def test_every_tensor_is_its_float32_value_rounded_once(stored: str, dtype: str) -> None:
    wide, file = TensorFile(virtual("F32", stored)[1]), TensorFile(virtual(dtype, stored)[1])
    for name in wide.tensors:
        expected = torch.from_numpy(wide.array(name).copy()).to(ROUNDING[dtype]).float().numpy()
        np.testing.assert_array_equal(file.array(name), expected)


def test_formulas_read_what_is_stored_and_never_what_was_rounded_for_serving() -> None:
    tensors = learngene()[1]
    converted = TensorFile(b"".join(tensorfile.convert(tensors, "BF16")))
    with_variant = b"".join(stream(assemble(recipe("BF16"), tensors, converted=converted)))
    assert with_variant == b"".join(stream(assemble(recipe("BF16"), tensors)))
    assert with_variant != b"".join(stream(assemble(recipe("BF16"), converted)))


def test_stored_tensors_go_out_as_they_lie_beside_computed_ones() -> None:
    file, _ = virtual("F16")
    spans = [segment for segment in file.segments if isinstance(segment, Span)]
    assert len(spans) == sum(isinstance(entry.source, Stored) for entry in recipe().entries) > 0


def test_tensors_of_two_files_make_the_same_descendant_as_of_one() -> None:
    manifest, tensors = learngene()
    halves: list[dict[str, object]] = [{}, {}]
    for at, name in enumerate(tensors.tensors):
        halves[at % 2][name] = tensors.array(name)
    files = TensorFiles(tuple(TensorFile(b"".join(tensorfile.write(half, "F32"))) for half in halves))  # type: ignore[arg-type]
    for wanted in (recipe(), initialize(manifest, Request(num_classes=3))):
        one, two = assemble(wanted, tensors), assemble(wanted, files)
        assert one.id == two.id
        assert b"".join(stream(one)) == b"".join(stream(two))

"""Index lists beside the float tensors of a learngene: kept as they are, never served, never trusted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cases import made
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from learngenes import tensorfile
from learngenes.errors import BadRecipe, BadTensorFile, InvalidValue, UnknownName
from learngenes.header import ITEM_BYTES
from learngenes.initialize import Request, initialize
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile, TensorFiles

lists = hnp.arrays(np.int32, hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=5))


def file(**tensors: Any) -> TensorFile:
    return TensorFile(b"".join(tensorfile.write(tensors, "F32")))


@given(lists, st.sampled_from(sorted(ITEM_BYTES)))
def test_an_index_list_is_read_back_as_it_was_written_beside_any_dtype(values: Any, dtype: str) -> None:
    stored = {"rank": values, "x": np.ones(3, np.float32)}
    read = TensorFile(b"".join(tensorfile.write(stored, dtype)))
    assert (read.tensors["rank"].dtype, read.tensors["x"].dtype) == ("I32", dtype)
    assert read.indices("rank").dtype == np.dtype("<i4")
    np.testing.assert_array_equal(read.indices("rank"), values)


@pytest.mark.parametrize("dtype", sorted(ITEM_BYTES))
def test_converting_a_file_leaves_its_index_lists(dtype: str) -> None:
    stored = file(rank=np.array([2, 0, 1], np.int32), x=np.array([0.1, 0.2], np.float32))
    converted = TensorFile(b"".join(tensorfile.convert(stored, dtype)))
    assert bytes(converted.raw("rank")) == bytes(stored.raw("rank"))
    assert (converted.tensors["rank"].dtype, converted.tensors["x"].dtype) == ("I32", dtype)


def test_floats_are_no_index_list_and_an_index_list_is_no_floats() -> None:
    both = file(rank=np.array([1, 0], np.int32), x=np.ones(2, np.float32))
    with pytest.raises(BadTensorFile, match="tensor 'x' is F32; an index list is I32"):
        both.indices("x")
    with pytest.raises((BadTensorFile, UnknownName), match="I32"):
        both.array("rank")


def test_of_several_files_the_first_that_holds_a_name_answers() -> None:
    child, parent = file(a=np.zeros(1, np.float32)), file(a=np.ones(1, np.float32), b=np.ones(1, np.float32))
    rank = file(rank=np.array([0], np.int32))
    both = TensorFiles((child, parent, rank))
    assert (both.array("a")[0], both.array("b")[0], both.indices("rank")[0]) == (0, 1, 0)
    assert (both.holder("a"), both.holder("b"), both.holder("c")) == (child, parent, None)
    for missing in (both.array, both.indices):
        with pytest.raises(KeyError):
            missing("c")


NARROW = Request(depth=3, width=16, options={"select": "importance"})


def test_a_descendant_is_chosen_by_stored_rankings() -> None:
    manifest, raw = made.staged(scores=True)
    tensors = TensorFile(raw)
    narrow = TensorFile(b"".join(stream(assemble(initialize(manifest, NARROW), tensors))))
    res = np.sort(tensors.indices("rankings.res")[:16])
    np.testing.assert_array_equal(narrow.array("norm.weight"), tensors.array("norm.weight")[res])
    hidden = np.sort(tensors.indices("rankings.stages.1.hidden")[:64])
    expected = tensors.array("stages.1.mlp.fc1.weight")[hidden][:, res] * np.float32(2**0.5)
    np.testing.assert_array_equal(narrow.array("blocks.1.mlp.fc1.weight"), expected)
    assert all(tensor.dtype == "F32" for tensor in narrow.tensors.values())


WRONG: dict[str, Any] = {
    "twice the same": np.zeros(32, np.int32),
    "one too far": np.arange(1, 33, dtype=np.int32),
    "below zero": np.arange(-1, 31, dtype=np.int32),
    "too short": np.arange(31, dtype=np.int32),
    "too long": np.arange(33, dtype=np.int32),
    "a table": np.arange(32, dtype=np.int32).reshape(4, 8),
    "numbers that are no indices": np.arange(32, dtype=np.float32),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_ranking_is_refused_before_anything_is_served(what: str) -> None:
    manifest, raw = made.staged(scores=True)
    stored = TensorFile(raw)
    tensors: dict[str, Any] = {
        name: stored.indices(name) if tensor.dtype == "I32" else stored.array(name)
        for name, tensor in stored.tensors.items()
    }
    broken = TensorFile(b"".join(tensorfile.write(tensors | {"rankings.res": WRONG[what]}, "F32")))
    with pytest.raises(BadRecipe, match=r"'rankings\.res' is not a ranking of 32 indices"):
        assemble(initialize(manifest, NARROW), broken)


def test_scores_that_are_missing_are_missed_by_name() -> None:
    manifest, raw = made.staged(scores=True)
    recipe = initialize(manifest, NARROW)
    stored = TensorFile(raw)
    floats = {name: stored.array(name) for name, tensor in stored.tensors.items() if tensor.dtype != "I32"}
    with pytest.raises(BadRecipe, match="by importance, and the learngene does not hold the scores 'rankings"):
        assemble(recipe, TensorFile(b"".join(tensorfile.write(floats, "F32"))))
    bare = replace(manifest, weights=replace(manifest.weights, tensors={}))
    with pytest.raises(InvalidValue, match=r"holds no importance scores 'rankings.*'; choose select 'uniform'"):
        initialize(bare, NARROW)


def test_an_index_list_is_never_served_as_a_tensor() -> None:
    manifest, raw = made.staged(scores=True)
    recipe = initialize(manifest, Request())
    first, *others = recipe.entries
    stolen = replace(first, source=type(first.source)("rankings.res"))
    with pytest.raises(BadRecipe, match=f"{first.name} comes from 'rankings.res', which the learngene does not hold"):
        assemble(replace(recipe, entries=(stolen, *others)), TensorFile(raw))

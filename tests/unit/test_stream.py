from __future__ import annotations

import tracemalloc
from dataclasses import replace
from functools import cache
from itertools import pairwise

import factories
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learngenes import tensorfile
from learngenes.errors import BadRecipe
from learngenes.initialize import Request, initialize
from learngenes.recipe import DTYPES, Recipe, digest
from learngenes.sources import Fill, Stored
from learngenes.stream import CHUNK_BYTES, VirtualFile, assemble, parts, stream, view
from learngenes.tensorfile import TensorFile

WAYS = ["stored bytes", "rounded on the way", "fresh head"]


@cache
def opened(dtype: str = "F16", width: int = 16) -> tuple[Recipe, TensorFile]:
    manifest, raw = factories.learngene(dtype=dtype, width=width)
    return initialize(manifest, Request(depth=4, dtype=dtype.lower())), TensorFile(raw)


@cache
def virtual(way: str) -> tuple[VirtualFile, bytes]:
    """A descendant and its whole file."""
    recipe, tensors = opened()
    if way == "rounded on the way":
        recipe = replace(recipe, dtype="BF16")
    if way == "fresh head":
        entries = [
            replace(entry, source=Fill("truncated_normal", 1)) if entry.name == "head.weight" else entry
            for entry in recipe.entries
        ]
        recipe = replace(recipe, entries=tuple(entries))
    file = assemble(recipe, tensors)
    return file, b"".join(stream(file))


@pytest.mark.parametrize("way", WAYS)
def test_the_whole_stream_is_a_tensor_file_of_the_promised_size(way: str) -> None:
    file, whole = virtual(way)
    assert len(whole) == file.size
    assert list(TensorFile(whole).tensors) == [entry.name for entry in opened()[0].entries]


@given(st.sampled_from(WAYS), st.data())
def test_a_range_equals_the_same_slice_of_the_whole_file(way: str, data: st.DataObject) -> None:
    file, whole = virtual(way)
    start = data.draw(st.integers(0, file.size + 10))
    stop = data.draw(st.integers(0, file.size + 10) | st.none())
    chunk_bytes = data.draw(st.integers(1, 5_000).filter(lambda n: n > 50) | st.just(CHUNK_BYTES))
    pieces = list(stream(file, start=start, stop=stop, chunk_bytes=chunk_bytes))
    assert b"".join(pieces) == whole[start:stop]
    assert all(0 < len(piece) <= chunk_bytes for piece in pieces)


@given(st.sampled_from(WAYS), st.data())
def test_any_split_of_the_file_joins_to_the_whole(way: str, data: st.DataObject) -> None:
    file, whole = virtual(way)
    cuts = sorted(data.draw(st.lists(st.integers(0, file.size), max_size=6)))
    bounds = [0, *cuts, file.size]
    parts = (b"".join(stream(file, start=a, stop=b)) for a, b in pairwise(bounds))
    assert b"".join(parts) == whole


@pytest.mark.parametrize("way", WAYS)
def test_a_stop_beyond_the_end_is_the_end(way: str) -> None:
    file, whole = virtual(way)
    assert b"".join(stream(file, start=file.size - 9, stop=file.size + 9)) == whole[-9:]
    assert list(stream(file, start=file.size, stop=file.size + 9)) == []


@given(st.data())
def test_only_the_segments_that_a_range_touches_are_opened(data: st.DataObject) -> None:
    file, _ = virtual("rounded on the way")
    seams = st.sampled_from([*file.starts, file.size]) | st.integers(0, file.size)
    start, stop = sorted((data.draw(seams), data.draw(seams)))
    taken = list(parts(file, start=start, stop=stop))
    assert all(0 <= first < last <= len(view(file, segment)) for segment, first, last in taken)
    assert sum(last - first for _, first, last in taken) == stop - start


def test_every_byte_around_every_seam_can_be_asked_for_alone() -> None:
    file, whole = virtual("fresh head")
    for seam in (*file.starts, file.size):
        for at in range(max(0, seam - 2), min(file.size, seam + 2)):
            assert b"".join(stream(file, start=at, stop=at + 1)) == whole[at : at + 1]


@pytest.mark.parametrize("stored", DTYPES.values())
@pytest.mark.parametrize("wanted", DTYPES)
def test_a_converted_learngene_and_rounding_on_the_way_give_the_same_bytes(stored: str, wanted: str) -> None:
    manifest, raw = factories.learngene(dtype=stored, width=16)
    recipe = initialize(manifest, Request(depth=7, dtype=wanted, num_classes=3))
    tensors = TensorFile(raw)
    variant = TensorFile(b"".join(tensorfile.convert(tensors, DTYPES[wanted])))
    on_the_way = b"".join(stream(assemble(recipe, tensors)))
    assert on_the_way == b"".join(stream(assemble(recipe, variant)))


def test_stored_bytes_are_sent_as_they_lie_and_never_copied() -> None:
    recipe, tensors = opened()
    header, *pieces = stream(assemble(recipe, tensors))
    assert {id(piece.obj) for piece in pieces} == {id(tensors.view.obj)}
    assert header.obj is not tensors.view.obj


def test_neighbours_in_the_learngene_are_one_segment_of_the_file() -> None:
    manifest, raw = factories.learngene(width=16)
    file = assemble(initialize(manifest, Request(depth=64)), TensorFile(raw))
    assert len(file.segments) <= 64 + len(["header", "head, norm, patch and position"])


def peak_bytes(file: VirtualFile) -> int:
    for piece in stream(file):
        assert piece
    tracemalloc.start()
    for piece in stream(file):
        assert piece
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_a_deep_descendant_streams_in_less_memory_than_one_of_its_tensors() -> None:
    manifest, raw = factories.learngene(width=64)
    file = assemble(initialize(manifest, Request(depth=64)), TensorFile(raw))
    assert file.size > 12_000_000
    assert peak_bytes(file) < 64 * 64 * 4


def test_rounding_on_the_way_takes_no_more_memory_for_a_deep_descendant_than_for_a_flat_one() -> None:
    manifest, raw = factories.learngene(width=64)
    flat, deep = (
        assemble(initialize(manifest, Request(depth=depth, dtype="bf16")), TensorFile(raw)) for depth in (1, 64)
    )
    assert peak_bytes(deep) < 1.2 * peak_bytes(flat) < 5 * 4 * (4 * 64 * 64)  # a few float32 copies of fc1.weight


def test_the_file_is_known_by_its_recipes_digest() -> None:
    recipe, tensors = opened()
    assert assemble(recipe, tensors).id == digest(recipe)


def test_the_same_recipe_gives_the_same_bytes_from_another_opening() -> None:
    recipe, tensors = opened()
    again = TensorFile(bytes(tensors.view))
    assert b"".join(stream(assemble(recipe, again))) == virtual("stored bytes")[1]


def test_a_start_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="starts at byte 0 or later, got -1"):
        list(stream(virtual("stored bytes")[0], start=-1))


def test_a_recipe_of_other_formulas_is_refused() -> None:
    recipe, tensors = opened()
    with pytest.raises(BadRecipe, match="needs formulas 99; this library has 1"):
        assemble(replace(recipe, formulas=99), tensors)


def test_a_tensor_the_learngene_does_not_hold_is_refused_by_name() -> None:
    recipe, tensors = opened()
    first, *others = recipe.entries
    with pytest.raises(BadRecipe, match=f"{first.name} comes from 'stages.9.x', which the learngene does not hold"):
        assemble(replace(recipe, entries=(replace(first, source=Stored("stages.9.x")), *others)), tensors)


def test_a_learngene_of_another_width_is_refused() -> None:
    recipe, _ = opened()
    with pytest.raises(BadRecipe, match=r"is \(16,\) but .* is \(32,\)"):
        assemble(recipe, opened(width=32)[1])

"""A descendant as a virtual file: any byte range of it, straight from the learngene, with no file behind it."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from learngenes import sources
from learngenes.errors import BadRecipe
from learngenes.families.vit import Shape
from learngenes.formulas import VERSION, compute
from learngenes.fresh import fresh
from learngenes.header import INDEX, item_bytes
from learngenes.recipe import Entry, Recipe, digest, file_layout
from learngenes.sources import All, Fill, First, Index, Last, Listed, Pick, Stored
from learngenes.tensorfile import TensorFile, Tensors, encode

CHUNK_BYTES = 1 << 20
"""Largest piece of a stream: the knee of throughput; larger ones only make other clients wait."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes [start, stop) of one of the learngene's files."""

    file: TensorFile
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Fresh:
    """Elements [start, stop) of a tensor that is filled."""

    fill: Fill
    start: int
    stop: int


Segment = bytes | Span | Fresh | Entry
"""One stretch of the virtual file: the header, stored bytes, fresh values, or a tensor to compute."""

FRESH_ELEMENTS = CHUNK_BYTES // 4
"""A fresh tensor is made in pieces of this many elements, so that memory does not grow with it."""


@dataclass(frozen=True, slots=True)
class VirtualFile:
    """A descendant's safetensors file, known in full and stored nowhere.

    id: the recipe's digest; size: bytes; segment i covers [starts[i], starts[i + 1]).
    """

    id: str
    size: int
    dtype: str
    starts: tuple[int, ...]
    segments: tuple[Segment, ...]
    tensors: Tensors


def assemble(recipe: Recipe, tensors: Tensors, *, converted: Tensors | None = None) -> VirtualFile:
    """The virtual file of a recipe over its learngene's tensors; BadRecipe if they do not fit.

    tensors: as stored, what every formula reads. converted: the same in the recipe's dtype. Where dtypes agree, stored
    tensors are sent as they lie and neighbours are joined to one span; otherwise they are rounded one at a time.
    """
    if recipe.formulas != VERSION:
        raise BadRecipe(f"the recipe needs formulas {recipe.formulas}; this library has {VERSION}")
    plan = file_layout(recipe)
    starts: list[int] = [0]
    segments: list[Segment] = [plan.header]
    _check(recipe, tensors)
    for entry in recipe.entries:
        start = plan.tensors[entry.name].start
        for segment, offset in _segments(entry, recipe.dtype, converted or tensors):
            last = segments[-1]
            if isinstance(segment, Span) and isinstance(last, Span) and _adjoin(last, segment):
                segments[-1] = Span(segment.file, last.start, segment.stop)
            else:
                starts.append(start + offset)
                segments.append(segment)
    return VirtualFile(digest(recipe), plan.size, recipe.dtype, tuple(starts), tuple(segments), tensors)


def as_stored(tensors: TensorFile, id: str) -> VirtualFile:
    """A stored file as it lies, to be streamed like a descendant. id: what stands for its bytes."""
    size = len(tensors.view)
    return VirtualFile(id, size, "F32", (0,), (Span(tensors, 0, size),), tensors)


def stream(
    file: VirtualFile, *, start: int = 0, stop: int | None = None, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[memoryview]:
    """Bytes [start, stop) of the file in pieces of at most chunk_bytes; stop None means to the end.

    Stored bytes are views of the mapped learngene: nothing is copied. Memory: at most one computed tensor.
    """
    for segment, first, last in parts(file, start=start, stop=stop):
        yield from cut(view(file, segment), first, last, chunk_bytes)


def parts(file: VirtualFile, *, start: int = 0, stop: int | None = None) -> Iterator[tuple[Segment, int, int]]:
    """The segments that bytes [start, stop) touch, each with the bytes [first, last) of it that they take."""
    end = file.size if stop is None else min(stop, file.size)
    if start < 0:
        raise ValueError(f"a range starts at byte 0 or later, got {start}")
    index = bisect.bisect_right(file.starts, start) - 1
    while start < end:
        segment_start = file.starts[index]
        index += 1
        segment_stop = file.starts[index] if index < len(file.starts) else file.size
        yield file.segments[index - 1], start - segment_start, min(end, segment_stop) - segment_start
        start = segment_stop


def view(file: VirtualFile, segment: Segment) -> memoryview:
    """The bytes of one segment; only a Fresh or an Entry takes time and memory."""
    match segment:
        case bytes():
            return memoryview(segment)
        case Span(stored, start, stop):
            return stored.view[start:stop]
        case Fresh(fill, first, last):
            return encode(fresh(fill, first, last), file.dtype)
        case Entry(_, shape, source):
            return encode(compute(source, shape, file.tensors), file.dtype)


def cut(data: memoryview, first: int, last: int, chunk_bytes: int = CHUNK_BYTES) -> Iterator[memoryview]:
    """Bytes [first, last) of data in pieces of at most chunk_bytes."""
    assert chunk_bytes > 0
    for at in range(first, last, chunk_bytes):
        yield data[at : min(at + chunk_bytes, last)]


def _segments(entry: Entry, dtype: str, tensors: Tensors) -> Iterator[tuple[Segment, int]]:
    """The segments of one tensor and where each starts in it, in bytes."""
    match entry.source:
        case Fill():
            size = math.prod(entry.shape)
            for at in range(0, size, FRESH_ELEMENTS):
                yield Fresh(entry.source, at, min(at + FRESH_ELEMENTS, size)), at * item_bytes(dtype)
        case Stored(name):
            file = tensors.holder(name)
            assert file is not None
            stored = file.tensors[name]
            yield (Span(file, stored.start, stored.stop) if stored.dtype == dtype else entry), 0
        case Pick(Stored(name), view, axes, 1.0) if (rows := _rows(view, axes)) is not None:
            file = tensors.holder(name)
            assert file is not None
            stored = file.tensors[name]
            row = (stored.stop - stored.start) // view[0]
            span = Span(file, stored.start + rows.start * row, stored.start + rows.stop * row)
            yield (span if stored.dtype == dtype else entry), 0
        case _:
            yield entry, 0


def _rows(view: Shape, axes: tuple[Index, ...]) -> range | None:
    """The rows that are picked, if they are whole, neighbours and in order: then they lie together in the file."""
    if not all(isinstance(index, All) for index in axes[1:]):
        return None
    match axes[0]:
        case All():
            return range(view[0])
        case First(count):
            return range(count)
        case Last(count):
            return range(view[0] - count, view[0])
        case Listed(indices) if indices == tuple(range(indices[0], indices[0] + len(indices))):
            return range(indices[0], indices[0] + len(indices))
    return None


def _adjoin(first: Span, second: Span) -> bool:
    return first.file is second.file and first.stop == second.start


def _check(recipe: Recipe, tensors: Tensors) -> None:
    """BadRecipe unless everything the recipe reads is there and as large as it has to be."""
    rankings: dict[tuple[str, int], str] = {}
    for entry in recipe.entries:
        for name, shape in sources.stored_names(entry.source, entry.shape):
            file = tensors.holder(name)
            if file is None or file.tensors[name].dtype == INDEX:
                raise BadRecipe(f"{entry.name} comes from {name!r}, which the learngene does not hold")
            found = file.tensors[name].shape
            if math.prod(found) != math.prod(shape) or (isinstance(entry.source, Stored) and found != shape):
                raise BadRecipe(f"{entry.name} is {shape} but {name!r} is {found}")
        rankings |= dict.fromkeys(sources.rankings(entry.source, entry.shape), entry.name)
    for (name, length), where in rankings.items():
        file = tensors.holder(name)
        if file is None:
            raise BadRecipe(f"{where} is chosen by importance, and the learngene does not hold the scores {name!r}")
        place = file.tensors[name]
        ranked = (place.dtype, place.shape) == (INDEX, (length,))
        if not (ranked and np.array_equal(np.sort(file.indices(name)), np.arange(length))):
            raise BadRecipe(f"{name!r} is not a ranking of {length} indices")

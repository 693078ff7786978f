"""Safetensors files, ours: read without copying, several as one, written and converted tensor by tensor."""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from learngenes.errors import BadTensorFile, UnknownName
from learngenes.header import INDEX, ITEM_BYTES, Tensor, layout, read_layout

Buffer = bytes | mmap.mmap | memoryview
FloatArray = np.ndarray[Any, np.dtype[np.float32]]
IndexArray = np.ndarray[Any, np.dtype[np.int32]]


class FileMap(mmap.mmap):
    """A read-only map of a whole file that keeps the file open, so that the kernel can also send from it."""

    _descriptor: int

    def __new__(cls, file: int) -> FileMap:
        """The map of an open file, which the caller may close."""
        self = super().__new__(cls, file, 0, access=mmap.ACCESS_READ)
        self._descriptor = os.dup(file)
        weakref.finalize(self, os.close, self._descriptor)
        return self

    def fileno(self) -> int:
        """The file's descriptor."""
        return self._descriptor


class TensorFile:
    """A checked safetensors file in memory or mapped from disk; reading a tensor copies nothing.

    The file must not be rewritten in place while it is open: learngenes never are.
    """

    def __init__(self, buffer: Buffer) -> None:
        self._view = memoryview(buffer)
        self.file = buffer if isinstance(buffer, FileMap) else None
        self.layout = read_layout(lambda start, stop: bytes(self._view[start:stop]), len(self._view))

    @classmethod
    def open(cls, path: Path) -> TensorFile:
        """Map the file at path; raises OSError if it can't, BadTensorFile if it is not one we accept."""
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise BadTensorFile(f"{path.name} is empty")
            return cls(FileMap(file.fileno()))

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """Every tensor's place, in file order."""
        return self.layout.tensors

    @property
    def view(self) -> memoryview:
        """The bytes of the whole file."""
        return self._view

    def holder(self, name: str) -> TensorFile | None:
        """Itself, if it holds this tensor."""
        return self if name in self.layout.tensors else None

    def raw(self, name: str) -> memoryview:
        """The bytes of one tensor."""
        tensor = self.layout.tensors[name]
        return self._view[tensor.start : tensor.stop]

    def array(self, name: str) -> FloatArray:
        """One tensor as float32, exactly: every stored float dtype is a subset of it."""
        tensor = self.layout.tensors[name]
        return decode(self.raw(name), tensor.dtype).reshape(tensor.shape)

    def indices(self, name: str) -> IndexArray:
        """One stored index list."""
        tensor = self.layout.tensors[name]
        if tensor.dtype != INDEX:
            raise BadTensorFile(f"tensor {name!r} is {tensor.dtype}; an index list is {INDEX}")
        return np.frombuffer(self.raw(name), "<i4").reshape(tensor.shape)


@dataclass(frozen=True, slots=True)
class TensorFiles:
    """Several files read as one; the first that holds a name answers for it."""

    files: tuple[TensorFile, ...]

    def holder(self, name: str) -> TensorFile | None:
        """The file that answers for this tensor, if one does."""
        return next((file for file in self.files if name in file.tensors), None)

    def array(self, name: str) -> FloatArray:
        """One tensor as float32; KeyError if no file holds it."""
        return self._held(name).array(name)

    def indices(self, name: str) -> IndexArray:
        """One stored index list; KeyError if no file holds it."""
        return self._held(name).indices(name)

    def _held(self, name: str) -> TensorFile:
        holder = self.holder(name)
        if holder is None:
            raise KeyError(name)
        return holder


Tensors = TensorFile | TensorFiles


def write(tensors: Mapping[str, FloatArray | IndexArray], dtype: str) -> Iterator[bytes | memoryview]:
    """The pieces of the file that holds these arrays: float32 rounded once to dtype, int32 as they are."""
    plan = layout({name: (INDEX if array.dtype == np.int32 else dtype, array.shape) for name, array in tensors.items()})
    yield plan.header
    for name, place in plan.tensors.items():
        yield encode(tensors[name], place.dtype)  # type: ignore[arg-type]


def convert(stored: TensorFile, dtype: str) -> Iterator[bytes | memoryview]:
    """The pieces of the same file in another dtype, one tensor in memory at a time."""
    plan = layout({name: (INDEX if t.dtype == INDEX else dtype, t.shape) for name, t in stored.tensors.items()})
    yield plan.header
    for name, place in plan.tensors.items():
        yield stored.raw(name) if place.dtype == INDEX else encode(stored.array(name), dtype)


def equal(buffer: Buffer, pieces: Iterable[bytes | memoryview]) -> bool:
    """Whether the buffer is the joined pieces."""
    view, position = memoryview(buffer), 0
    for piece in pieces:
        if view[position : position + len(piece)] != piece:
            return False
        position += len(piece)
    return position == len(view)


def decode(raw: memoryview | bytes, dtype: str) -> FloatArray:
    """Stored bytes as a flat float32 array."""
    match dtype:
        case "F32":
            return np.frombuffer(raw, "<f4")
        case "F16":
            return np.frombuffer(raw, "<f2").astype(np.float32)
        case "BF16":
            return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    raise UnknownName("dtype", dtype, ITEM_BYTES)


def encode(array: FloatArray, dtype: str) -> memoryview:
    """A float32 array as stored bytes, rounded to nearest even; too large becomes infinite, NaN stays NaN."""
    if dtype == INDEX:
        return np.ascontiguousarray(array, dtype="<i4").reshape(-1).view(np.uint8).data
    flat = np.ascontiguousarray(array, dtype=np.float32).reshape(-1)
    match dtype:
        case "F32":
            out: np.ndarray[Any, Any] = flat.astype("<f4", copy=False)
        case "F16":
            with np.errstate(over="ignore"):
                out = flat.astype("<f2")
        case "BF16":
            bits = flat.view(np.uint32)
            rounded = (bits + (0x7FFF + ((bits >> 16) & 1)).astype(np.uint32)) >> 16
            out = np.where(np.isnan(flat), (bits >> 16) | 0x40, rounded).astype("<u2")
        case _:
            raise UnknownName("dtype", dtype, ITEM_BYTES)
    return out.view(np.uint8).data

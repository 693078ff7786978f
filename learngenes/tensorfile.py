"""The safetensors layout, written and read by us: byte-stable, and strict where the stock reader is lenient.

A file is an 8-byte little-endian length, a JSON header padded with spaces to a multiple of 8, then the tensors' bytes
without a gap. Our header lists tensors sorted by name, with fixed separators and `__metadata__` of `format: pt` alone
(the stock writer's bytes vary with two or more metadata keys). We accept any valid file inside the limits below.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import re
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from learngenes.errors import BadTensorFile, UnknownName

MAX_HEADER_BYTES = 1_000_000
MAX_TENSORS = 10_000
MAX_FILE_BYTES = 1 << 40
ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
"""The dtypes we store and serve, by their safetensors names."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_METADATA = {"format": "pt"}

Buffer = bytes | mmap.mmap | memoryview
FloatArray = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where one tensor lies: bytes [start, stop) of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A file before its bytes: header, place of every tensor in file order, total size in bytes."""

    header: bytes
    tensors: Mapping[str, Tensor]
    size: int


def item_bytes(dtype: str) -> int:
    """Bytes of one element; UnknownName for a dtype we do not store."""
    if dtype not in ITEM_BYTES:
        raise UnknownName("dtype", dtype, ITEM_BYTES)
    return ITEM_BYTES[dtype]


def layout(tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> Layout:
    """The file that holds these tensors, given as name -> (dtype, shape), sorted by name."""
    if len(tensors) > MAX_TENSORS:
        raise BadTensorFile(f"{len(tensors)} tensors; a file holds at most {MAX_TENSORS}")
    table: dict[str, Any] = {"__metadata__": _METADATA}
    position = 0
    for name in sorted(tensors):
        _check_name(name)
        dtype, shape = tensors[name]
        stop = position + math.prod(shape) * item_bytes(dtype)
        table[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, stop]}
        position = stop
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER_BYTES:
        raise BadTensorFile(f"the header would take {len(text)} bytes; at most {MAX_HEADER_BYTES} are written")
    base = 8 + len(text)
    places = {
        name: Tensor(
            entry["dtype"],
            tuple(entry["shape"]),
            base + entry["data_offsets"][0],
            base + entry["data_offsets"][1],
        )
        for name, entry in table.items()
        if name != "__metadata__"
    }
    return Layout(len(text).to_bytes(8, "little") + text, places, base + position)


def read_layout(read: Callable[[int, int], bytes], size: int) -> Layout:
    """Check the header of a file of `size` bytes; `read(start, stop)` is never asked beyond header or limits."""
    if size < 8:
        raise BadTensorFile(f"{size} bytes are too few for a safetensors file, which starts with 8 bytes of length")
    length = int.from_bytes(read(0, 8), "little")
    if length > MAX_HEADER_BYTES:
        raise BadTensorFile(f"the header claims {length} bytes; at most {MAX_HEADER_BYTES} are read")
    base = 8 + length
    if base > size:
        raise BadTensorFile(f"the header claims {length} bytes but the file has {size}")
    if size > MAX_FILE_BYTES:
        raise BadTensorFile(f"the file has {size} bytes; at most {MAX_FILE_BYTES} are read")
    raw = read(8, base)
    table = _parse_json(raw)
    entries = {name: entry for name, entry in table.items() if name != "__metadata__"}
    if len(entries) > MAX_TENSORS:
        raise BadTensorFile(f"the file holds {len(entries)} tensors; at most {MAX_TENSORS} are read")
    tensors = {name: _tensor(name, entry, base) for name, entry in entries.items()}
    ordered = dict(sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)))
    position = base
    for name, tensor in ordered.items():
        if tensor.start != position:
            what = "overlaps its neighbour" if tensor.start < position else "leaves a gap before it"
            raise BadTensorFile(f"tensor {name!r} at byte {tensor.start} {what}, which ends at byte {position}")
        position = tensor.stop
    if position != size:
        raise BadTensorFile(f"the tensors end at byte {position} but the file has {size} bytes")
    return Layout(read(0, 8) + raw, ordered, size)


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

    def raw(self, name: str) -> memoryview:
        """The bytes of one tensor."""
        tensor = self.layout.tensors[name]
        return self._view[tensor.start : tensor.stop]

    def array(self, name: str) -> FloatArray:
        """One tensor as float32, exactly: every stored dtype is a subset of it."""
        tensor = self.layout.tensors[name]
        return decode(self.raw(name), tensor.dtype).reshape(tensor.shape)


def write(tensors: Mapping[str, FloatArray], dtype: str) -> Iterator[bytes | memoryview]:
    """The pieces of the file that holds these float32 arrays, each rounded once to dtype."""
    plan = layout({name: (dtype, array.shape) for name, array in tensors.items()})
    yield plan.header
    for name in plan.tensors:
        yield encode(tensors[name], dtype)


def convert(stored: TensorFile, dtype: str) -> Iterator[bytes | memoryview]:
    """The pieces of the same file in another dtype, one tensor in memory at a time."""
    plan = layout({name: (dtype, tensor.shape) for name, tensor in stored.tensors.items()})
    yield plan.header
    for name in plan.tensors:
        yield encode(stored.array(name), dtype)


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


def _parse_json(raw: bytes) -> dict[str, Any]:
    try:
        if raw[:1] != b"{":
            raise BadTensorFile("the header does not start with '{'")
        table: dict[str, Any] = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError, ValueError) as error:
        if isinstance(error, BadTensorFile):
            raise
        raise BadTensorFile(f"the header is not JSON: {error}") from error
    metadata = table.get("__metadata__", {})
    if not (isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())):
        raise BadTensorFile("the header's __metadata__ is not a table of texts")
    return table


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, value in pairs:
        if name in table:
            raise BadTensorFile(f"the header names {_short(name)} twice")
        table[name] = value
    return table


def _no_constant(name: str) -> NoReturn:
    raise BadTensorFile(f"the header holds {name}, which is not JSON")


def _tensor(name: str, entry: Any, base: int) -> Tensor:
    _check_name(name)
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise BadTensorFile(f"tensor {name!r} has to state dtype, shape and data_offsets, and nothing else")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not (isinstance(dtype, str) and dtype in ITEM_BYTES):
        raise BadTensorFile(f"tensor {name!r} is {_short(dtype)}; we read {', '.join(ITEM_BYTES)}")
    if not (_whole(shape) and len(shape) <= 8 and _whole(offsets) and len(offsets) == 2):
        raise BadTensorFile(
            f"tensor {name!r} has shape {_short(shape)} and offsets {_short(offsets)}, not whole numbers"
        )
    size = math.prod(shape) * ITEM_BYTES[dtype]
    if offsets[1] - offsets[0] != size:
        raise BadTensorFile(f"tensor {name!r} of {size} bytes can't lie at offsets {offsets[0]} to {offsets[1]}")
    return Tensor(dtype, tuple(shape), base + offsets[0], base + offsets[1])


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."


def _whole(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(n) is int and 0 <= n <= MAX_FILE_BYTES for n in numbers)


def _check_name(name: str) -> None:
    if len(name) > 200 or not _NAME.fullmatch(name):
        raise BadTensorFile(
            f"{name[:60]!r} can't name a tensor: letters, digits, '_' and '-', joined by single dots, at most 200"
        )

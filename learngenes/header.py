"""The header of a safetensors file, written byte-stable, and read strictly where the stock reader is lenient.

A file is an 8-byte little-endian length, a JSON header padded with spaces to a multiple of 8, then the tensors' bytes
without a gap. Our header lists tensors sorted by name, with fixed separators and `__metadata__` of `format: pt` alone
(the stock writer's bytes vary with two or more metadata keys). We accept any valid file inside the limits below.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from learngenes.errors import BadTensorFile, UnknownName

MAX_HEADER_BYTES = 1_000_000
MAX_TENSORS = 10_000
MAX_FILE_BYTES = 1 << 40
ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
"""The dtypes we store and serve, by their safetensors names."""
INDEX = "I32"
"""The dtype of stored index lists, such as importance rankings: read, never served."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_METADATA = {"format": "pt"}


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
    """Bytes of one element; UnknownName for a dtype we do not serve."""
    if dtype not in ITEM_BYTES:
        raise UnknownName("dtype", dtype, ITEM_BYTES)
    return ITEM_BYTES[dtype]


def stored_bytes(dtype: str) -> int:
    """Bytes of one element of any dtype we store."""
    return 4 if dtype == INDEX else item_bytes(dtype)


def layout(tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> Layout:
    """The file that holds these tensors, given as name -> (dtype, shape), sorted by name."""
    if len(tensors) > MAX_TENSORS:
        raise BadTensorFile(f"{len(tensors)} tensors; a file holds at most {MAX_TENSORS}")
    table: dict[str, Any] = {"__metadata__": _METADATA}
    position = 0
    for name in sorted(tensors):
        _check_name(name)
        dtype, shape = tensors[name]
        stop = position + math.prod(shape) * stored_bytes(dtype)
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
    if not (isinstance(dtype, str) and (dtype in ITEM_BYTES or dtype == INDEX)):
        raise BadTensorFile(f"tensor {name!r} is {_short(dtype)}; we read {', '.join((*ITEM_BYTES, INDEX))}")
    if not (_whole(shape) and len(shape) <= 8 and _whole(offsets) and len(offsets) == 2):
        raise BadTensorFile(
            f"tensor {name!r} has shape {_short(shape)} and offsets {_short(offsets)}, not whole numbers"
        )
    size = math.prod(shape) * stored_bytes(dtype)
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

"""Networks that somebody trained, as safetensors files of timm's names or of transformers': numpy alone."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from learngenes import tensorfile
from learngenes.families import transformers, vit
from learngenes.families.vit import Geometry
from learngenes.header import layout

PLAIN = Geometry(3, 64, 1, 4, 8, 10, class_token=True, pool="token")
AVERAGED = Geometry(2, 32, 2, 4, 16, 5)


def values(geometry: Geometry, *, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """A tensor of every name."""
    draw = np.random.default_rng(seed)
    return {name: draw.normal(size=shape).astype(np.float32) for name, shape in vit.shapes(geometry).items()}


def raw(geometry: Geometry = PLAIN, *, dtype: str = "F32", seed: int = 0) -> bytes:
    """The file, in our own order."""
    return b"".join(tensorfile.write(values(geometry, seed=seed), dtype))


def shuffled(tensors: dict[str, np.ndarray[Any, Any]], metadata: dict[str, str] | None = None) -> bytes:
    """The file as other writers have it: in another order, with other metadata."""
    table: dict[str, Any] = {"__metadata__": metadata or {"format": "pt", "by": "another"}}
    body = b""
    for name in reversed(list(tensors)):
        piece = tensors[name].astype("<f4").tobytes()
        table[name] = {
            "dtype": "F32",
            "shape": list(tensors[name].shape),
            "data_offsets": [len(body), len(body) + len(piece)],
        }
        body += piece
    header = json.dumps(table).encode()
    return len(header).to_bytes(8, "little") + header + body


def mixed(tensors: dict[str, np.ndarray[Any, Any]]) -> bytes:
    """The file with its biases in F16."""
    plan = layout({name: ("F16" if name.endswith("bias") else "F32", value.shape) for name, value in tensors.items()})
    return plan.header + b"".join(
        bytes(tensorfile.encode(tensors[name], place.dtype)) for name, place in plan.tensors.items()
    )


def by_transformers(geometry: Geometry, *, seed: int = 0) -> tuple[bytes, dict[str, Any]]:
    """The same network's file and config.json by transformers' names."""
    timm = values(geometry, seed=seed)
    named = {}
    for tensor in transformers.tensors(geometry):
        whole = timm[tensor.timm]
        rows = len(whole) // 3
        named[tensor.name] = whole if tensor.part is None else whole[tensor.part * rows : (tensor.part + 1) * rows]
    return b"".join(tensorfile.write(named, "F32")), transformers.config(geometry, dtype="F32", labels=())


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

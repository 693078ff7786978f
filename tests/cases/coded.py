"""A learngene whose values say where they come from, to read off a descendant which indices it was picked with.

Every stored number is `CODE * (number of its tensor) + (its flat position)`: exact in float32 for tiny geometries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from learngenes import gene, tensorfile
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.header import INDEX
from learngenes.initialize import Request, initialize
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile

CODE = 8192

AXES = {
    "attn.qkv.weight": ("part", "att", "res"),
    "attn.qkv.bias": ("part", "att"),
    "attn.proj.weight": ("res", "att"),
    "mlp.fc1.weight": ("hid", "res"),
    "mlp.fc1.bias": ("hid",),
    "mlp.fc2.weight": ("res", "hid"),
    "patch_embed.proj.weight": ("res", "pixel"),
    "pos_embed": ("token", "res"),
    "head.weight": ("class", "res"),
    "head.bias": ("class",),
}
"""What each axis of a tensor counts; `att` is the joined dimensions of all heads. All others count `res`."""


def lengths(geometry: Geometry) -> dict[str, int]:
    """How long each kind of axis is."""
    return {
        "part": 3,
        "att": geometry.width,
        "res": geometry.width,
        "hid": geometry.hidden,
        "pixel": geometry.channels * geometry.patch**2,
        "token": geometry.tokens,
        "class": geometry.classes,
    }


def axes(name: str) -> tuple[str, ...]:
    """The axes of a tensor of a network."""
    within = name.split(".", 2)[2] if name.startswith("blocks.") else name
    return AXES.get(within, ("res",))


@dataclass(frozen=True)
class Picked:
    """Of one tensor of a descendant: the tensor it was picked from, and the indices along every axis."""

    source: str
    lists: dict[str, list[int]]


def coded(manifest: Manifest, raw: bytes) -> tuple[Manifest, TensorFile]:
    """The same learngene with coded values; rankings stay."""
    old = TensorFile(raw)
    values: dict[str, Any] = {}
    for number, (name, tensor) in enumerate(sorted(old.tensors.items())):
        if tensor.dtype == INDEX:
            values[name] = old.indices(name)
        else:
            count = int(np.prod(tensor.shape))
            assert count <= CODE
            values[name] = (CODE * number + np.arange(count)).astype(np.float32).reshape(tensor.shape)
    made = TensorFile(b"".join(tensorfile.write(values, "F32")))
    return replace(manifest, weights=gene.weigh(made)), made


def picked(manifest: Manifest, tensors: TensorFile, **request: Any) -> dict[str, Picked]:
    """How a descendant of a coded learngene was picked.

    Fails if an element is not the parent's at one index per axis.
    """
    recipe = initialize(manifest, Request(**request))
    file = TensorFile(b"".join(stream(assemble(recipe, tensors))))
    names = sorted(tensors.tensors)
    before, after = lengths(manifest.geometry), lengths(recipe.geometry)
    found = {}
    for name in file.tensors:
        kinds = axes(name)
        codes = file.array(name).reshape([after[kind] for kind in kinds]).astype(np.int64)
        (number,) = set((codes // CODE).ravel().tolist())
        at = np.array(np.unravel_index(codes % CODE, [before[kind] for kind in kinds]))
        lists = {}
        for axis, kind in enumerate(kinds):
            along = np.moveaxis(at[axis], axis, 0).reshape(after[kind], -1)
            assert (along == along[:, :1]).all(), f"{name} is no outer product of indices"
            lists[kind] = along[:, 0].tolist()
        found[name] = Picked(names[number], lists)
    return found

"""Width first, then depth: the same tensors as depth first, then width. methods.md section 14."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cases import made

from learngenes import gene, tensorfile
from learngenes.families import vit
from learngenes.families.vit import Geometry, spaces
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile

DEPTH = 8
MAP = [0, 0, 0, 1, 1, 1, 2, 2]
"""Eight blocks of three stages of two."""


def stages() -> tuple[Manifest, TensorFile]:
    manifest, raw = made.staged(scores=True)
    return manifest, TensorFile(raw)


def unrolled(stored: TensorFile) -> tuple[Manifest, TensorFile]:
    """The network of eight layers as a learngene of its own: every layer a stage, with its stage's scores."""
    values: dict[str, Any] = {}
    for name, tensor in stored.tensors.items():
        array = stored.indices(name) if tensor.dtype == "I32" else stored.array(name)
        before, found, rest = name.rpartition("stages.")
        stage, _, last = rest.partition(".")
        copies = [at for at, own in enumerate(MAP) if found and own == int(stage)]
        values |= {f"{before}stages.{at}.{last}": array for at in copies} if found else {name: array}
    raw = b"".join(tensorfile.write(values, "F32"))
    geometry = replace(made.TINY, depth=DEPTH)
    manifest, _ = made.learngene("sws", {}, geometry=geometry, facts={"stages": [1] * DEPTH})
    return replace(manifest, weights=gene.weigh(TensorFile(raw))), TensorFile(raw)


@pytest.mark.parametrize("select", ["uniform", "consecutive", "importance"])
@pytest.mark.parametrize("heads", ["whole", "within", "blend"])
@pytest.mark.parametrize("width", [16, 24])
def test_narrowing_the_stages_and_then_unrolling_is_unrolling_and_then_narrowing(
    select: str, heads: str, width: int
) -> None:
    if select == "importance" and heads != "whole":
        return
    manifest, stored = stages()
    other, deep = unrolled(stored)
    request = Request(depth=DEPTH, width=width, options={"select": select, "heads": heads, "scale": "fan_in"})
    one, two = initialize(manifest, request), initialize(other, request)
    assert list(one.layer_map) == MAP and list(two.layer_map) == list(range(DEPTH))
    narrow_first, deep_first = (
        TensorFile(b"".join(stream(assemble(recipe, tensors)))) for recipe, tensors in ((one, stored), (two, deep))
    )
    assert bytes(narrow_first.view) == bytes(deep_first.view)
    assert {name: t.shape for name, t in narrow_first.tensors.items()} == vit.shapes(one.geometry)


@pytest.mark.parametrize(
    "geometry",
    [
        made.TINY,
        Geometry(2, 24, 3, 2, 8, 7, channels=1, mlp_ratio=2.5, class_token=True, pool="token"),
        Geometry(1, 16, 2, 4, 16, 3, channels=5, class_token=True, pool="avg", norm="after-pool", qkv_bias=False),
    ],
    ids=["tiny", "class token", "no bias"],
)
def test_the_spaces_of_a_network_are_its_tensors_axes(geometry: Geometry) -> None:
    shapes = vit.block_shapes(geometry) | vit.frame_shapes(geometry)
    axes = spaces(geometry)
    assert axes.keys() == shapes.keys()
    for name, shape in shapes.items():
        lengths = [length for _, length in axes[name]]
        assert np.arange(np.prod(shape)).reshape(lengths).size == np.prod(shape), name
        merged, rest = [], list(lengths)
        for side in shape:  # every axis of the tensor is one or more of the spaces, in order
            taken = 1
            while rest and (taken < side or rest[0] == 1):
                taken *= rest.pop(0)
            merged.append(taken)
        assert (tuple(merged), rest) == (shape, []), name

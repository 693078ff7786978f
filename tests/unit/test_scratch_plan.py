"""Scratch: every value fresh, the same for ever."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases import made, scratch

from learngenes.errors import UnsupportedSize
from learngenes.initialize import Request, initialize
from learngenes.sizes import Steps
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile

MANIFEST, RAW = scratch.make()


def built(request: Request) -> TensorFile:
    return TensorFile(b"".join(stream(assemble(initialize(MANIFEST, request), TensorFile(RAW)))))


def test_a_learngene_of_nothing_is_a_file_of_no_tensors() -> None:
    assert not TensorFile(RAW).tensors
    assert MANIFEST.dtype == "F32"


def test_no_two_drawn_tensors_share_their_values() -> None:
    file = built(Request(depth=3))
    drawn = [file.array(name).reshape(-1)[:64] for name in file.tensors if file.array(name).std() > 0]
    assert len({values.tobytes() for values in drawn}) == len(drawn) == 3 * 4 + 3


def test_drawn_values_have_the_size_they_should_and_the_others_are_one_or_zero() -> None:
    file = built(Request(depth=2, width=128))
    for name in file.tensors:
        values = file.array(name)
        if name.endswith("bias"):
            assert not values.any()
        elif "norm" in name:
            assert (values == 1).all()
        else:
            assert abs(values).max() <= 0.04 + 1e-6
            assert 0.015 < values.std() < 0.02


def test_another_seed_changes_every_drawn_tensor_and_no_other() -> None:
    first, second = built(Request(seed=0)), built(Request(seed=1))
    for name in first.tensors:
        same = np.array_equal(first.array(name), second.array(name))
        assert same == (name.endswith("bias") or "norm" in name)


def test_a_block_does_not_depend_on_the_depth() -> None:
    shallow, deep = built(Request(depth=2)), built(Request(depth=5))
    for name in shallow.tensors:
        np.testing.assert_array_equal(shallow.array(name), deep.array(name))


def test_widths_are_whole_heads_up_to_64_or_to_what_the_geometry_has() -> None:
    assert MANIFEST.space.width == Steps(8, 512, 8)
    for width, heads in ((8, 1), (40, 5), (512, 64)):
        assert initialize(MANIFEST, Request(depth=1, width=width)).geometry == replace(
            made.TINY, depth=1, width=width, heads=heads
        )
    wide, _ = scratch.make(geometry=replace(made.TINY, width=160, heads=80))
    assert wide.space.width == Steps(2, 160, 2)
    with pytest.raises(UnsupportedSize, match="width 12: it takes depth 1 to 512 and width 8 to 512 in steps of 8"):
        initialize(MANIFEST, Request(width=12))

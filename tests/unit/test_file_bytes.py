from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learngenes.budget.file_bytes import file_bytes, plain_bytes
from learngenes.errors import BadTensorFile
from learngenes.families.vit import Geometry


@settings(deadline=None)
@given(
    depth=st.one_of(st.integers(1, 12), st.sampled_from([99, 100, 101, 511, 512])),
    heads=st.integers(1, 20),
    channels=st.integers(1, 4),
    classes=st.sampled_from([1, 10, 1000, 21843]),
    class_token=st.booleans(),
    qkv_bias=st.booleans(),
    dtype=st.sampled_from(["F32", "F16", "BF16"]),
)
def test_the_closed_form_gives_the_very_size_of_the_file(
    depth: int, heads: int, channels: int, classes: int, class_token: bool, qkv_bias: bool, dtype: str
) -> None:
    geometry = Geometry(
        depth, 64 * heads, heads, 16, 224, classes, channels, class_token=class_token, qkv_bias=qkv_bias
    )
    assert plain_bytes(geometry, dtype) == file_bytes(geometry, dtype)


@pytest.mark.parametrize("depth", [834, 5000])
def test_a_file_with_too_many_tensors_is_refused_all_the_same(depth: int) -> None:
    with pytest.raises(BadTensorFile):
        plain_bytes(Geometry(depth, 64, 1, 4, 8, 10), "F32")

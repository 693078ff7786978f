"""Resampling agrees with torch and timm, whose matrices these are, and with numpy's pseudo-inverse."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from timm.layers import resample_abs_pos_embed, resample_patch_embed

from learngenes.formulas import compute
from learngenes.resampling import resample, weights
from learngenes.sources import Kernel, Resized, Stored

SIDES = [(14, 14), (14, 16), (14, 24), (16, 14), (14, 7), (7, 3), (2, 5), (1, 4), (4, 1), (5, 11), (24, 13)]


class Held:
    """One array, whatever its name."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def array(self, name: str) -> Any:
        return self.values

    def indices(self, name: str) -> Any:
        raise KeyError(name)


def drawn(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("kernel", ["bicubic", "bilinear"])
@pytest.mark.parametrize(("before", "after"), SIDES)
def test_images_are_resized_as_torch_does_with_antialiasing(before: int, after: int, kernel: Any) -> None:
    values = drawn(1, 3, before, before + 1)
    source = Resized(Stored("x"), values.shape, (2, 3), (after, after + 2), kernel)
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(values), size=(after, after + 2), mode=kernel, antialias=True, align_corners=False
    )
    np.testing.assert_allclose(compute(source, theirs.shape, Held(values)), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("before", "after"), SIDES)
def test_position_embeddings_are_resized_as_timm_does(before: int, after: int) -> None:
    values = drawn(1, before**2, 8)
    source = Resized(Stored("x"), (1, before, before, 8), (1, 2), (after, after), "bicubic")
    theirs = resample_abs_pos_embed(torch.from_numpy(values), [after, after], num_prefix_tokens=0)
    np.testing.assert_allclose(compute(source, (1, after**2, 8), Held(values)), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("before", "after"), [(16, 16), (16, 14), (16, 32), (16, 8), (4, 2), (2, 4), (7, 9), (32, 14)])
def test_patch_kernels_are_resized_as_timm_does(before: int, after: int) -> None:
    values = drawn(4, 3, before, before)
    source = Resized(Stored("x"), values.shape, (2, 3), (after, after), "patch")
    theirs = resample_patch_embed(torch.from_numpy(values), [after, after])
    np.testing.assert_allclose(compute(source, theirs.shape, Held(values)), theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("before", "after"), [(4, 8), (4, 7), (14, 16), (16, 32), (8, 16)])
def test_a_grown_patch_kernel_answers_a_grown_image_as_the_kernel_answered_the_image(before: int, after: int) -> None:
    grow = np.array(weights(before, after, "bicubic"))
    image, kernel = drawn(before, before).astype(np.float64), drawn(before, before).astype(np.float64)
    grown = resample(resample(kernel, 0, after, "patch"), 1, after, "patch")
    assert np.sum(grown * (grow @ image @ grow.T)) == pytest.approx(np.sum(kernel * image), abs=1e-9)


@given(st.integers(1, 24), st.integers(1, 24))
def test_the_patch_matrix_is_the_pseudo_inverse_of_the_resizing_matrix_transposed(before: int, after: int) -> None:
    expected = np.linalg.pinv(np.array(weights(before, after, "bicubic")).T)
    np.testing.assert_allclose(np.array(weights(before, after, "patch")), expected, rtol=0, atol=1e-8)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["bicubic", "bilinear"]))
def test_every_row_of_a_resizing_matrix_sums_to_one(before: int, after: int, kernel: Kernel) -> None:
    matrix = np.array(weights(before, after, kernel))
    assert matrix.shape == (after, before)
    np.testing.assert_allclose(matrix.sum(1), 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kernel", get_args(Kernel))
def test_the_same_length_changes_nothing(kernel: Kernel) -> None:
    values = drawn(5, 4)
    np.testing.assert_allclose(resample(values, 0, 5, kernel), values, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kernel", get_args(Kernel))
def test_resampling_does_not_depend_on_what_lies_beside(kernel: Kernel) -> None:
    values = drawn(6, 5)
    whole = resample(values, 0, 9, kernel)
    for column in range(5):
        alone = resample(values[:, column : column + 1].copy(), 0, 9, kernel)
        np.testing.assert_array_equal(alone[:, 0], whole[:, column])

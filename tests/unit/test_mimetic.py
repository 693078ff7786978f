"""Mimetic blocks have the structure they promise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from learngenes.errors import InvalidValue
from learngenes.families import vit
from learngenes.families.vit import Geometry
from learngenes.job import DataOptions, FloatArray, Learned, LearnJob
from learngenes.methods.mimetic.learn import learn

GEOMETRY = Geometry(depth=2, width=96, heads=3, patch=4, image=32, classes=10)
JOB = LearnJob(name="mimetic", method="mimetic", geometry=GEOMETRY)


def made(job: LearnJob = JOB) -> dict[str, FloatArray]:
    learned = learn(job, run=Path(), data=Path(), report=lambda event: None, stop=lambda: False)
    assert isinstance(learned, Learned)
    return dict(learned.tensors)


def parts(tensors: dict[str, FloatArray], layer: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    query, key, value = tensors[f"blocks.{layer}.attn.qkv.weight"].reshape(3, 3, 32, 96)
    return query, key, value.reshape(96, 96), tensors[f"blocks.{layer}.attn.proj.weight"]


def test_it_is_a_whole_network_of_the_geometry() -> None:
    assert {name: value.shape for name, value in made().items()} == vit.shapes(GEOMETRY)


def test_value_and_projection_multiply_to_noise_minus_a_multiple_of_the_identity() -> None:
    for layer in range(2):
        _, _, value, proj = parts(made(), layer)
        product = proj.astype(np.float64) @ value
        off = product - np.diag(np.diag(product))
        assert np.diag(product).mean() == pytest.approx(-0.4, abs=0.03)
        assert off.std() == pytest.approx(0.4 / np.sqrt(96), rel=0.05)


def test_query_and_key_of_a_head_are_the_best_part_of_such_a_matrix() -> None:
    for layer in range(2):
        query, key, _, _ = parts(made(), layer)
        for q, k in zip(query.astype(np.float64), key.astype(np.float64), strict=True):
            product = q.T @ k
            assert np.linalg.matrix_rank(product, tol=1e-4) == 32
            diagonal = np.diag(product).mean()
            assert diagonal > 5 * abs(product - np.diag(np.diag(product))).mean()
            # Both sides carry the square root of each singular value.
            np.testing.assert_allclose(np.linalg.norm(q, axis=1), np.linalg.norm(k, axis=1), rtol=1e-4)


def test_without_noise_the_products_are_the_identity_itself() -> None:
    options = {"query_key_alpha": 0.0, "value_proj_alpha": 0.0}
    _, _, value, proj = parts(made(replace(JOB, options=options)), 0)
    np.testing.assert_allclose(proj.astype(np.float64) @ value, -0.4 * np.eye(96), atol=1e-6)


def test_heads_and_blocks_are_drawn_apart_and_the_seed_decides() -> None:
    tensors = made()
    query, _, _, _ = parts(tensors, 0)
    assert not np.allclose(query[0], query[1])
    assert not np.array_equal(tensors["blocks.0.attn.qkv.weight"], tensors["blocks.1.attn.qkv.weight"])
    again, other = made(), made(replace(JOB, seed=1))
    for name, value in tensors.items():
        np.testing.assert_array_equal(value, again[name])
    assert not np.array_equal(tensors["blocks.0.attn.qkv.weight"], other["blocks.0.attn.qkv.weight"])


def test_sines_tell_every_patch_apart_and_leave_the_class_token_alone() -> None:
    places = made()["pos_embed"][0]
    assert len(np.unique(places.round(5), axis=0)) == GEOMETRY.patches
    np.testing.assert_allclose((places**2).sum(axis=1), 96 / 2, rtol=1e-5)
    with_token = made(replace(JOB, geometry=replace(GEOMETRY, class_token=True, pool="token")))["pos_embed"][0]
    assert not with_token[0].any()
    np.testing.assert_array_equal(with_token[1:], places)


def test_a_job_with_images_is_refused_because_they_would_not_be_seen() -> None:
    data = DataOptions(train="digits:train", test="digits:test")
    with pytest.raises(InvalidValue, match=r"method 'mimetic' has no use for \[data\]; remove the table"):
        made(replace(JOB, data=data))

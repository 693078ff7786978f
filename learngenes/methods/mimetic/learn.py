"""Making a bank of mimetic blocks. arXiv:2305.09828; nothing is learned, and no image is seen.

A singular value decomposition has other last bits on another machine: blocks are made once and stored, not computed
when a descendant is asked for.
"""

# D width, H heads, K dimension of a head

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from learngenes import config
from learngenes.families.vit import Geometry, shapes
from learngenes.fresh import fresh
from learngenes.job import FloatArray, Learned, LearnJob, Report, Stopped
from learngenes.methods.mimetic.options import LearnOptions
from learngenes.methods.mimetic.plan import name
from learngenes.planning.blocks import fresh as fresh_sources
from learngenes.recipe import derive_seed
from learngenes.sources import Fill

Matrix = np.ndarray[Any, np.dtype[np.float64]]


def learn(job: LearnJob, *, run: Path, data: Path, report: Report, stop: Callable[[], bool]) -> Learned | Stopped:
    """Tensors `blocks.<i>.<tensor>` for each block of the geometry, and the frame by timm's names; float32."""
    options = config.parse(job.options, LearnOptions, where="options")
    job.refuse("data", "training", "ancestor")
    draw = np.random.default_rng(job.seed)
    tensors = _start(job)
    for layer in range(job.geometry.depth):
        made = _attention(job.geometry, options, draw)
        tensors |= {f"{name(layer)}.{tensor}": value for tensor, value in made.items()}
    tensors["pos_embed"] = _sines(job.geometry)
    return Learned(tensors, {}, {"options": job.options, "seed": job.seed})


def _start(job: LearnJob) -> dict[str, FloatArray]:
    """A start from scratch by the job's seed, of which all but attention and positions stays."""
    source = fresh_sources("", lambda tensor: derive_seed(job.seed, tensor))
    made: dict[str, FloatArray] = {}
    for tensor, shape in shapes(job.geometry).items():
        fill = source(tensor)
        assert isinstance(fill, Fill)
        made[tensor] = fresh(fill, 0, math.prod(shape)).reshape(shape)
    return made


def _attention(geometry: Geometry, options: LearnOptions, draw: np.random.Generator) -> dict[str, FloatArray]:
    """Weights with W_q^T W_k about alpha Z + beta I in every head, W_proj W_v about alpha Z - beta I in all.

    Rows of a weight are its outputs. Z is normal of variance 1/D. Of each D x D product the first K singular
    directions fit into a head, and all D into value and projection, which the heads share.
    """
    width, heads = geometry.width, geometry.heads
    size = width // heads
    query, key = np.empty((heads, size, width)), np.empty((heads, size, width))
    for head in range(heads):
        left, right = _factors(options.query_key_alpha, options.query_key_beta, width, draw)
        query[head], key[head] = left[:, :size].T, right[:size]
    proj, value = _factors(options.value_proj_alpha, -options.value_proj_beta, width, draw)
    rows = [part.reshape(width, width) for part in (query, key, value)]
    return {
        "attn.qkv.weight": np.concatenate(rows).astype(np.float32),
        "attn.proj.weight": proj.astype(np.float32),
    }


def _factors(alpha: float, beta: float, width: int, draw: np.random.Generator) -> tuple[Matrix, Matrix]:
    """Two matrices whose product is alpha Z + beta I, largest singular directions first."""
    noise = draw.normal(0.0, 1 / math.sqrt(width), (width, width))
    left, singular, right = np.linalg.svd(alpha * noise + beta * np.eye(width))
    root = np.sqrt(singular)
    return left * root, root[:, None] * right


def _sines(geometry: Geometry) -> FloatArray:
    """Fixed sine and cosine embeddings of the patch grid, (1, tokens, D): a quarter each of sin and cos of column, row.

    MoCo v3's, arXiv:2104.02057, which the authors use. The class token's row is zero; a width that does not divide by
    four leaves its last columns zero.
    """
    side, quarter = geometry.image // geometry.patch, geometry.width // 4
    rates = 1.0 / 10000 ** (np.arange(quarter) / max(quarter, 1))
    row, column = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    angles = [place.reshape(-1, 1) * rates for place in (column, row)]
    waves = np.concatenate([wave(angle) for angle in angles for wave in (np.sin, np.cos)], axis=1)
    embedding = np.zeros((1, geometry.tokens, geometry.width), np.float32)
    embedding[0, geometry.class_token :, : waves.shape[1]] = waves
    return embedding

"""Descendants of a bank of mimetic blocks: its blocks in order, and at other widths still of mimetic structure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cases import mimetic

from learngenes.catalog import Catalog
from learngenes.families.vit import Geometry
from learngenes.initialize import Request, initialize
from learngenes.job import Learned, LearnJob
from learngenes.methods.mimetic.learn import learn
from learngenes.publish import publish
from learngenes.sources import Stored
from learngenes.store.memory import MemoryStore
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile

WIDTH, UNIT = 192, 32
BANK = LearnJob("bank", "mimetic", Geometry(depth=1, width=WIDTH, heads=6, patch=4, image=16, classes=10))


@pytest.mark.parametrize(
    ("depth", "blocks"), [(1, [0]), (4, [0, 1, 2, 3]), (6, [0, 1, 2, 3, 4, 5]), (9, [0, 1, 2, 3, 4, 5, 0, 1, 2])]
)
def test_blocks_come_in_order_and_from_the_first_again_behind_the_last(depth: int, blocks: list[int]) -> None:
    recipe = initialize(mimetic.make()[0], Request(depth=depth))
    assert list(recipe.layer_map) == blocks
    found = {entry.name: entry.source for entry in recipe.entries}
    for at, block in enumerate(blocks):
        assert found[f"blocks.{at}.attn.qkv.weight"] == Stored(f"blocks.{block}.attn.qkv.weight")


def products(width: int, **options: str) -> tuple[list[float], list[float]]:
    """Of query and key (mean of the heads), and of value and projection: mean diagonal, and cosine to the identity."""
    learned = learn(BANK, run=Path(), data=Path(), report=lambda event: None, stop=lambda: False)
    assert isinstance(learned, Learned)
    catalog = Catalog(MemoryStore())
    manifest = publish(BANK, learned, catalog=catalog)
    recipe = initialize(manifest, Request(width=width, options=options))
    file = TensorFile(b"".join(stream(assemble(recipe, catalog.open(manifest)))))
    query, key, value = file.array("blocks.0.attn.qkv.weight").astype(np.float64).reshape(3, -1, UNIT, width)
    heads = np.mean([against_identity(q.T @ k) for q, k in zip(query, key, strict=True)], axis=0)
    proj = file.array("blocks.0.attn.proj.weight").astype(np.float64)
    return list(heads), against_identity(proj @ value.reshape(width, width))


def against_identity(product: np.ndarray) -> list[float]:
    trace = float(np.trace(product))
    return [trace / len(product), trace / float(np.linalg.norm(product)) / len(product) ** 0.5]


@pytest.mark.parametrize("select", ["uniform", "consecutive", "random"])
@pytest.mark.parametrize("width", [64, 96, 160])
def test_a_narrower_network_keeps_the_structure_of_the_bank(width: int, select: str) -> None:
    (own_qk, own_qk_cosine), (own_vp, own_vp_cosine) = products(WIDTH)
    (qk, qk_cosine), (vp, vp_cosine) = products(width, select=select)
    assert qk_cosine > own_qk_cosine > 0.3 and own_vp_cosine == pytest.approx(-(0.5**0.5), abs=0.02)
    assert vp_cosine < -0.5
    assert qk / own_qk == pytest.approx(WIDTH / width, rel=0.1)
    assert 0.9 < vp / own_vp < 2


def test_without_consistency_or_scale_less_of_it_is_left() -> None:
    assert abs(products(96, select="inconsistent")[1][1]) < 0.4
    bare, scaled = products(96, scale="none"), products(96)
    assert scaled[0][0] == pytest.approx(2 * bare[0][0]) and scaled[1][0] == pytest.approx(2 * bare[1][0])

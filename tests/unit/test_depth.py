"""Another depth: which layer each block comes from. Invariants S7, S3 and zero-block insertion of methods.md."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from cases import made
from hypothesis import given
from hypothesis import strategies as st

from learngenes.errors import InvalidValue
from learngenes.families import vit
from learngenes.planning.blocks import stored
from learngenes.planning.depth import Grow, Keep, Placed, chosen, placed
from learngenes.planning.expansion import expanded
from learngenes.planning.width import WidthOptions
from learngenes.recipe import Recipe
from learngenes.sizes import Size
from learngenes.tensorfile import TensorFile

KEEPS: tuple[Keep, ...] = get_args(Keep)
GROWS: tuple[Grow, ...] = get_args(Grow)


def layers(depth: int, of: int, keep: Keep = "middle-drop", grow: Grow = "duplicate", scores: Any = ()) -> list[int]:
    return [block.layer for block in chosen(depth, of, keep=keep, grow=grow, scores=scores)]


def test_the_middle_is_dropped() -> None:
    """S7: 36 to 24 keeps 0 to 11 and 24 to 35."""
    assert layers(24, 36) == [*range(12), *range(24, 36)]
    assert layers(5, 12) == [0, 1, 2, 10, 11]
    assert layers(1, 12) == [0]


def test_the_first_are_kept() -> None:
    """M5."""
    assert layers(4, 12, "first") == [0, 1, 2, 3]


@given(st.integers(1, 40), st.data())
def test_uniform_layers_are_spread_with_both_ends(of: int, data: st.DataObject) -> None:
    depth = data.draw(st.integers(1, of))
    kept = layers(depth, of, "uniform")
    assert kept == [round(Fraction(i * (of - 1), max(depth - 1, 1))) for i in range(depth)]
    assert kept == sorted(set(kept)) and kept[0] == 0 and (depth == 1 or kept[-1] == of - 1)


@given(st.integers(1, 20), st.data())
def test_importance_keeps_the_best_and_never_drops_the_ends(of: int, data: st.DataObject) -> None:
    scores = data.draw(st.lists(st.floats(-1, 1), min_size=of, max_size=of))
    depth = data.draw(st.integers(1, of))
    kept = layers(depth, of, "importance", scores=scores)
    assert kept == sorted(set(kept)) and len(kept) == depth
    assert kept[0] == 0 and (depth == 1 or kept[-1] == of - 1)
    dropped = set(range(of)) - set(kept)
    assert all(scores[i] <= scores[k] for i in dropped - {of - 1} for k in set(kept) - {0, of - 1})


@pytest.mark.parametrize("scores", [(), (1.0, 2.0)])
def test_importance_without_a_score_for_every_layer_is_refused(scores: tuple[float, ...]) -> None:
    sentence = f"needs a score for each of 6 layers, the learngene holds {len(scores)}; learn it with scores, or say"
    with pytest.raises(InvalidValue, match=sentence):
        layers(3, 6, "importance", scores=scores)


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("grow", GROWS)
def test_the_own_depth_is_every_layer_once(keep: Keep, grow: Grow) -> None:
    assert chosen(6, 6, keep=keep, grow=grow, scores=range(6)) == placed(range(6))


def test_a_duplicate_stands_beside_its_source_and_the_middle_is_copied_first() -> None:
    assert layers(7, 6) == [0, 1, 2, 2, 3, 4, 5]
    assert layers(8, 6) == [0, 1, 2, 2, 3, 3, 4, 5]
    assert layers(14, 6) == [0, 0, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5]


@given(st.integers(1, 12), st.integers(0, 30))
def test_duplicates_are_dealt_evenly_and_in_order(of: int, extra: int) -> None:
    made_of = layers(of + extra, of)
    assert made_of == sorted(made_of) and len(made_of) == of + extra
    counts = Counter(made_of)
    assert set(counts) == set(range(of)) and max(counts.values()) - min(counts.values()) <= 1


def test_stacking_repeats_the_whole_network() -> None:
    assert layers(8, 3, grow="stack") == [0, 1, 2, 0, 1, 2, 0, 1]


@given(st.integers(1, 8), st.integers(1, 20))
def test_silent_blocks_stand_behind_the_layers_they_were_copied_from(of: int, extra: int) -> None:
    blocks = chosen(of + extra, of, keep="first", grow="zero")
    assert [block.layer for block in blocks if not block.silent] == list(range(of))
    assert all(Placed(b.layer) in blocks[:at] for at, b in enumerate(blocks) if b.silent)
    assert sum(block.silent for block in blocks) == extra


@pytest.mark.parametrize("class_token", [False, True])
def test_silent_blocks_leave_the_function_as_it_was(class_token: bool, tmp_path: Path) -> None:
    """S3: logits of a network with silent blocks inserted are those of the network."""
    geometry = vit.Geometry(3, 32, 4, 4, 8, 10, class_token=class_token, pool="token" if class_token else "avg")
    manifest, raw = made.staged(geometry, stages=(1, 1, 1))
    said = []
    for depth in (3, 8):
        planned = expanded(
            manifest,
            Size(depth, 32),
            WidthOptions(),
            blocks=chosen(depth, 3, keep="first", grow="zero"),
            layer=lambda layer, at: stored(f"stages.{layer}"),
            name=lambda layer: f"stages.{layer}",
        )
        entries = tuple(sorted(planned.entries, key=lambda entry: entry.name))
        recipe = Recipe(
            manifest.reference, "0" * 64, 1, "vit", planned.geometry, "F32", "timm", planned.layer_map, entries
        )
        said.append(made.logits(recipe, manifest, TensorFile(raw), tmp_path))
    torch.testing.assert_close(said[1], said[0], rtol=0, atol=1e-6)

"""Vanilla-LG: the ancestor's last blocks, norm and head behind fresh ones."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import pytest
from cases import vanilla_lg

from learngenes.errors import BadManifest
from learngenes.families import vit
from learngenes.families.vit import Geometry
from learngenes.initialize import Request, initialize
from learngenes.methods.vanilla_lg.plan import KEPT
from learngenes.recipe import Recipe
from learngenes.sources import Fill, Pick, Source, Stored

MANIFEST, _ = vanilla_lg.make()


def sources(recipe: Recipe) -> dict[str, Source]:
    return {entry.name: entry.source for entry in recipe.entries}


@pytest.mark.parametrize("depth", [3, 4, 6, 20])
def test_the_last_blocks_norm_and_head_are_the_ancestors(depth: int) -> None:
    made = sources(initialize(MANIFEST, Request(depth=depth)))
    for name, source in made.items():
        at = int(name.split(".")[1]) if name.startswith("blocks.") else None
        if at is not None and at >= depth - 3:
            rest = name.split(".", 2)[2]
            assert source == Stored(f"blocks.{at - depth + 6}.{rest}")
        elif name.startswith(KEPT):
            assert source == Stored(name)
        else:
            assert isinstance(source, Fill)


@pytest.mark.parametrize(("depth", "layers"), [(1, (5,)), (2, (4, 5)), (3, (3, 4, 5)), (5, (0, 1, 3, 4, 5))])
def test_the_layer_map_names_the_ancestors_layers_last(depth: int, layers: tuple[int, ...]) -> None:
    assert initialize(MANIFEST, Request(depth=depth)).layer_map == layers


def test_no_two_fresh_tensors_share_a_seed_and_another_seed_changes_them_all() -> None:
    def seeds(seed: int) -> list[int]:
        made = sources(initialize(MANIFEST, Request(depth=6, seed=seed))).values()
        return [s.seed for s in made if isinstance(s, Fill) and s.init == "truncated_normal"]

    assert len(set(seeds(0))) == len(seeds(0)) == 3 * 4 + 2
    assert not set(seeds(0)) & set(seeds(1))


def test_what_is_stored_counts_as_in_the_literature() -> None:
    base = Geometry(depth=12, width=768, heads=12, patch=16, image=224, classes=1000)
    kept = sum(prod(s) for name, s in vit.frame_shapes(base).items() if name.startswith(KEPT))
    block = sum(prod(shape) for shape in vit.block_shapes(base).values())
    assert 3 * block + kept == 22_034_152


def test_facts_that_name_no_layer_are_the_manifests_fault() -> None:
    with pytest.raises(BadManifest, match="needs the first stored layer of 6, got 6"):
        initialize(replace(MANIFEST, method_facts={"first": 6}), Request())


def test_another_width_picks_what_is_stored_and_draws_what_is_fresh_at_its_own_shape() -> None:
    made = sources(initialize(MANIFEST, Request(depth=5, width=16)))
    for name, source in made.items():
        inherited = name.startswith(("blocks.2.", "blocks.3.", "blocks.4.", *KEPT)) and name != "head.bias"
        assert isinstance(source, Pick if inherited else Stored if name == "head.bias" else Fill)
    narrow, own = made["blocks.0.mlp.fc1.weight"], sources(initialize(MANIFEST, Request(depth=5)))
    assert narrow == own["blocks.0.mlp.fc1.weight"]

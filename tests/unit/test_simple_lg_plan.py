"""Simple-LG: the stage map of SWS over layers of an ordinary network."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cases import simple_lg

from learngenes.errors import BadManifest
from learngenes.initialize import Request, initialize
from learngenes.planning.stages import StageOptions, layer_map
from learngenes.sources import Stored


def test_its_own_depth_is_the_trained_network() -> None:
    manifest, _ = simple_lg.make()
    recipe = initialize(manifest, Request())
    assert recipe.layer_map == (0, 1, 2)
    for entry in recipe.entries:
        assert entry.source == Stored(entry.name.replace("blocks.", "stages."))


@pytest.mark.parametrize("depth", [1, 2, 6, 9, 16, 40])
def test_its_stage_map_is_that_of_sws(depth: int) -> None:
    manifest, _ = simple_lg.make()
    assert initialize(manifest, Request(depth=depth)).layer_map == layer_map(depth, (2, 2, 2), StageOptions())


def test_stages_that_are_not_its_layers_are_the_manifests_fault() -> None:
    manifest, _ = simple_lg.make()
    with pytest.raises(BadManifest, match=r"2 stages \(3, 3\) for a network of 3 layers"):
        initialize(replace(manifest, method_facts={"stages": [3, 3]}), Request())

"""Expanding TLEG: block i of a descendant is base + i/depth * slope, i from 0. arXiv:2312.05614.

The paper counts layers from 1 and writes (l - 1)/L, the same. The divisor is the descendant's own depth, as in the
authors' code: the last block never reaches base + slope. Other widths are ours: picked from base and slope alike.
So are lines by stage: block i of the n that a stage has in the descendant is base + i/n * slope of that stage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from learngenes.errors import BadManifest
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.tleg.options import PlanOptions
from learngenes.planning.blocks import Planned, Tensors, stored
from learngenes.planning.depth import placed
from learngenes.planning.expansion import expanded
from learngenes.planning.stages import StageOptions, layer_map, stage_counts
from learngenes.planning.width import widths
from learngenes.sizes import MAX_DEPTH, Size, SizeSpace, Steps
from learngenes.sources import Affine, Stored


def space(geometry: Geometry, facts: dict[str, Any]) -> SizeSpace:
    """Any depth; any width of whole heads up to the auxiliary network's."""
    return SizeSpace(depth=Steps(1, MAX_DEPTH), width=widths(geometry))


def plan(manifest: Manifest, size: Size, options: PlanOptions) -> Planned:
    """Every block computed from two stored ones; the first of a line is its base, byte for byte.

    The layer map counts the blocks of the one line; of lines by stage it is the stage of every block, that of SWS.
    """
    if "stages" in manifest.method_facts:
        return _by_stage(manifest, size, options)
    return expanded(
        manifest,
        size,
        options,
        blocks=placed(range(size.depth)),
        layer=lambda layer, at: _on_the_line("", at / size.depth),
        name=lambda layer: "base",
    )


def stage_name(stage: int) -> str:
    """Where the line of a stage lies in the learngene: base and slope under it, and its rankings by this name."""
    return f"stages.{stage}"


def _by_stage(manifest: Manifest, size: Size, options: PlanOptions) -> Planned:
    counts = stage_counts(manifest)
    if sum(counts) != manifest.geometry.depth:
        raise BadManifest(
            f"learngene {manifest.reference}: stages {counts} are {sum(counts)} layers, "
            f"its network has {manifest.geometry.depth}"
        )
    stages = layer_map(size.depth, counts, StageOptions())
    shares = list(_shares(stages))
    return expanded(
        manifest,
        size,
        options,
        blocks=placed(stages),
        layer=lambda stage, at: _on_the_line(f"{stage_name(stage)}.", shares[at]),
        name=stage_name,
    )


def _shares(stages: Sequence[int]) -> Iterator[float]:
    """How far along its stage's line each block stands; equal stages are neighbours."""
    counts = Counter(stages)
    for at, stage in enumerate(stages):
        yield (at - stages.index(stage)) / counts[stage]


def _on_the_line(prefix: str, at: float) -> Tensors:
    """prefix: of the names of base and slope."""
    base = stored(f"{prefix}base")
    return base if at == 0 else lambda name: Affine(base(name), Stored(f"{prefix}slope.{name}"), at)

"""Networks of a pool: the small or the large network alone, a plain ViT, or a stitched one along a path through both.

LearngenePool, arXiv:2312.05743. A stitched network has the width of the large one, whose norm and head it ends in, and
leave + 1 + blocks - enter blocks: as many as each of the two, or one or two more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from learngenes.errors import BadManifest, InvalidValue, UnsupportedSize
from learngenes.families.stitched import EMBEDDINGS, Path, StitchedGeometry, paths, shapes
from learngenes.families.vit import Geometry, Shape
from learngenes.families.vit import shapes as vit_shapes
from learngenes.gene import Manifest
from learngenes.methods.learngenepool.options import PlanOptions
from learngenes.planning.blocks import Planned, network, stored
from learngenes.recipe import Entry
from learngenes.sizes import Size, SizeSpace, Steps
from learngenes.sources import Source

PARTS = ("small", "large")


def space(geometry: Geometry, facts: dict[str, Any]) -> SizeSpace:
    """The width of either network; the depth of both, or of the large width up to two more."""
    small = _small_width(geometry, facts) if facts else geometry.width
    widths = Steps(small, geometry.width, geometry.width - small or 1)
    return SizeSpace(depth=Steps(geometry.depth, geometry.depth + 2), width=widths)


def plan(manifest: Manifest, size: Size, options: PlanOptions) -> Planned:
    """Every tensor is one of the pool's, byte for byte. Blocks of the large network count on from the small one's."""
    large = manifest.geometry
    small = narrower(large, _small_width(large, manifest.method_facts))
    networks = dict(zip(PARTS, (small, large), strict=True))
    path = _chosen(manifest, small, size, options)
    if isinstance(path, str):
        first = PARTS.index(path) * large.depth
        blocks = [stored(f"{path}.blocks.{i}") for i in range(large.depth)]
        whole = network(networks[path], blocks, stored(path))
        return Planned(networks[path], tuple(range(first, first + large.depth)), whole)
    front, back = range(path.leave + 1), range(path.enter, large.depth)
    layers = (*front, *(large.depth + i for i in back))
    before, after = (
        [stored(f"{part}.blocks.{i}") for i in run] for part, run in zip(PARTS, (front, back), strict=True)
    )
    if small.width == large.width:  # the stitch is the identity
        joined = replace(large, depth=len(layers))
        return Planned(joined, layers, network(joined, [*before, *after], _frame))
    geometry = StitchedGeometry(replace(small, depth=len(front)), replace(large, depth=len(back)))
    entries = (
        *_prefixed("front", network(geometry.front, before, stored("small"))),
        *_prefixed("back", network(geometry.back, after, stored("large"))),
    )
    needed, stitch = shapes(geometry), stored(f"stitches.{path.window}")
    crossing = [Entry(f"stitch.{name}", needed[f"stitch.{name}"], stitch(name)) for name in ("weight", "bias")]
    return Planned(geometry, layers, (*(entry for entry in entries if entry.name in needed), *crossing))


def narrower(large: Geometry, width: int) -> Geometry:
    """The small network: another width, heads of the same dimension; InvalidValue if there is no such one."""
    unit = large.width // large.heads
    if width % unit or not unit <= width <= large.width:
        raise InvalidValue(
            f"the small network has whole heads of {unit} and is no wider than {large.width}; "
            f"width {width} is no multiple of {unit} up to that"
        )
    return replace(large, width=width, heads=width // unit)


def stored_shapes(small: Geometry, large: Geometry) -> dict[str, Shape]:
    """Names and shapes of all tensors of a learngene: both networks, and between unequal widths the stitches."""
    made: dict[str, Shape] = {}
    for part, geometry in zip(PARTS, (small, large), strict=True):
        made |= {f"{part}.{name}": shape for name, shape in vit_shapes(geometry).items()}
    if small.width != large.width:
        for window in range(large.depth - 1):
            made[f"stitches.{window}.weight"] = (large.width, small.width)
            made[f"stitches.{window}.bias"] = (large.width,)
    return made


def _chosen(manifest: Manifest, small: Geometry, size: Size, options: PlanOptions) -> Path | str:
    """The path of this size that is asked for, or the default one."""
    large, wanted = manifest.geometry, options.wanted()
    blocks = large.depth
    sizes: dict[Path | str, Size] = {"large": Size(blocks, large.width), "small": Size(blocks, small.width)}
    sizes |= {path: Size(path.depth(blocks), large.width) for path in paths(blocks)}
    if wanted is not None:
        if wanted not in sizes:
            raise InvalidValue(
                f"path {options.path} is none of learngene {manifest.reference}: "
                f"its ends are blocks 0 to {blocks - 1}, at most one apart"
            )
        if sizes[wanted] != size:
            own = sizes[wanted]
            raise InvalidValue(
                f"path {options.path} has depth {own.depth} and width {own.width}, depth {size.depth} and width "
                f"{size.width} are asked for; ask for its own, or leave out path"
            )
        return wanted
    fitting = [path for path, its_size in sizes.items() if its_size == size]
    if not fitting:
        nearest = Size(blocks, size.width)
        raise UnsupportedSize(
            f"learngene {manifest.reference!r} can't be depth {size.depth}, width {size.width}: stitched networks are "
            f"as wide as the large one, {large.width}; the nearest is depth {nearest.depth}, width {nearest.width}",
            space=manifest.space,
            nearest=nearest,
        )
    return fitting[0] if isinstance(fitting[0], str) else fitting[len(fitting) // 2]


def _small_width(large: Geometry, facts: dict[str, Any]) -> int:
    """Of the small network, from the manifest's facts; BadManifest if they do not say it."""
    widths = facts.get("widths")
    if not (isinstance(widths, list | tuple) and len(widths) == 2 and all(type(n) is int for n in widths)):
        raise BadManifest(f"learngenepool needs the widths of its two networks, got {widths!r}")
    if widths[1] != large.width or large.depth < 2:
        raise BadManifest(
            f"a pool of widths {list(widths)} has a large network of width {widths[1]} and at least 2 blocks, "
            f"the geometry has width {large.width} and {large.depth}"
        )
    try:
        return narrower(large, widths[0]).width
    except InvalidValue as error:
        raise BadManifest(str(error)) from error


def _frame(name: str) -> Source:
    """Of a path between equal widths: the embeddings of the small network, norm and head of the large one."""
    return stored("small" if name in EMBEDDINGS else "large")(name)


def _prefixed(part: str, entries: tuple[Entry, ...]) -> list[Entry]:
    return [replace(entry, name=f"{part}.{entry.name}") for entry in entries]

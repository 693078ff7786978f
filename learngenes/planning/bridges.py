"""Bridges around the blocks: another image or patch size, other channels, another pooling, another set of classes.

Each replaces the sources of a few frame tensors and nothing else, so every method has them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from learngenes.errors import InvalidValue
from learngenes.families import vit
from learngenes.families.architectures import Architecture
from learngenes.families.mini import MiniGeometry
from learngenes.families.stitched import StitchedGeometry
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.planning.blocks import Planned
from learngenes.recipe import Entry, derive_seed
from learngenes.sources import Affine, All, Fill, Index, Joined, Last, Listed, Pick, Resized, Source

MAX_IMAGE, MAX_PATCH, MAX_GRID, MAX_CHANNELS, MAX_CLASSES = 8192, 128, 256, 64, 100_000


@dataclass(frozen=True, slots=True)
class Bridges:
    """What is asked for beside the size; None leaves the learngene's own.

    labels: class names; rows of the head are taken over by name. seed: of what is fresh.
    """

    num_classes: int | None = None
    labels: tuple[str, ...] = ()
    img_size: int | None = None
    patch_size: int | None = None
    in_chans: int | None = None
    pool: Literal["token", "avg"] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        limits = (
            ("num_classes", MAX_CLASSES),
            ("img_size", MAX_IMAGE),
            ("patch_size", MAX_PATCH),
            ("in_chans", MAX_CHANNELS),
        )
        for name, most in limits:
            value = getattr(self, name)
            if value is not None and not (type(value) is int and 1 <= value <= most):
                raise InvalidValue(f"{name} is a whole number of 1 to {most}, got {repr(value)[:40]}")
        if not all(isinstance(label, str) for label in self.labels) or len(self.labels) > MAX_CLASSES:
            raise InvalidValue(f"labels are at most {MAX_CLASSES} texts, got {str(self.labels)[:40]}")
        if len(set(self.labels)) != len(self.labels):
            twice = Counter(self.labels).most_common(1)[0][0]
            raise InvalidValue(f"labels names {twice!r} twice; each class has a name of its own")
        if self.labels and self.num_classes not in (None, len(self.labels)):
            raise InvalidValue(f"labels names {len(self.labels)} classes and num_classes is {self.num_classes}")


def bridged(planned: Planned, manifest: Manifest, wanted: Bridges) -> Planned:
    """The planned network with these inputs and outputs."""
    entries = {entry.name: entry for entry in planned.entries}
    geometry: Architecture = planned.geometry
    if isinstance(geometry, Geometry):
        for step in (_pool, _positions, _patches, _channels):
            geometry = step(entries, geometry, wanted)
    elif any(value is not None for value in (wanted.img_size, wanted.patch_size, wanted.in_chans, wanted.pool)):
        raise InvalidValue(
            f"learngene {manifest.reference} makes a network that is no plain ViT: its images, patches, channels and "
            f"pooling stay; leave them out"
        )
    geometry = _classes(entries, geometry, manifest, wanted)
    return Planned(geometry, planned.layer_map, tuple(entries.values()))


def _pool(entries: dict[str, Entry], geometry: Geometry, wanted: Bridges) -> Geometry:
    """Class token to average: its token and row are dropped. The other way: a fresh token and a row of zeros."""
    if wanted.pool in (None, geometry.pool):
        return geometry
    patches, width = geometry.patches, geometry.width
    if wanted.pool == "avg":
        del entries["cls_token"]
        new = replace(geometry, pool="avg", class_token=False)
        axes = (All(), Last(patches), All())
        _put(entries, new, "pos_embed", lambda old: Pick(old, (1, geometry.tokens, width), axes))
        return new
    new = replace(geometry, pool="token", class_token=True)
    if not geometry.class_token:
        fresh = Fill("truncated_normal", derive_seed(wanted.seed, "cls_token"))
        entries["cls_token"] = Entry("cls_token", (1, 1, width), fresh)
        views = ((1, 1, width), (1, patches, width))
        _put(entries, new, "pos_embed", lambda old: Joined((Fill("zeros"), old), views, axis=1))
    return new


def _positions(entries: dict[str, Entry], geometry: Geometry, wanted: Bridges) -> Geometry:
    """Position embeddings on another grid: bicubic, as timm's resample_abs_pos_embed; the class token's row stays."""
    new = replace(geometry, image=wanted.img_size or geometry.image, patch=wanted.patch_size or geometry.patch)
    before, after = geometry.image // geometry.patch, new.image // new.patch
    if before == after:
        return new
    if after > MAX_GRID:
        raise InvalidValue(f"an image of {new.image} in patches of {new.patch} is {after} a side, above {MAX_GRID}")
    width = geometry.width

    def resized(rows: Source) -> Source:
        return Resized(rows, (1, before, before, width), (1, 2), (after, after), "bicubic")

    def source(old: Source) -> Source:
        if not geometry.class_token:
            return resized(old)
        view = (1, geometry.tokens, width)
        token = Pick(old, view, (All(), Listed((0,)), All()))
        grid = resized(Pick(old, view, (All(), Last(geometry.patches), All())))
        return Joined((token, grid), ((1, 1, width), (1, after**2, width)), axis=1)

    _put(entries, new, "pos_embed", source)
    return new


def _patches(entries: dict[str, Entry], geometry: Geometry, wanted: Bridges) -> Geometry:
    """Patch kernels of another size by the pseudo-inverse of resizing, as timm's resample_patch_embed (FlexiViT)."""
    name = "patch_embed.proj.weight"
    view = entries[name].shape
    if view[-1] != geometry.patch:
        sides = (geometry.patch, geometry.patch)
        _put(entries, geometry, name, lambda old: Resized(old, view, (2, 3), sides, "patch"))
    return geometry


def _channels(entries: dict[str, Entry], geometry: Geometry, wanted: Bridges) -> Geometry:
    """Other channels, as timm's adapt_input_conv: one is the sum of all; others repeat them, times before / after."""
    count, before = wanted.in_chans or geometry.channels, geometry.channels
    if count == before:
        return geometry
    new = replace(geometry, channels=count)
    name = "patch_embed.proj.weight"
    view = entries[name].shape

    def source(old: Source) -> Source:
        if count == 1:
            sums: list[Source] = [_channel(old, view, (i,), 1.0) for i in range(before)]
            while len(sums) > 1:  # in pairs: sources nest only so deep
                rest = sums[-1:] if len(sums) % 2 else []
                sums = [Affine(one, two, 1.0) for one, two in zip(sums[::2], sums[1::2], strict=False)] + rest
            return sums[0]
        return _channel(old, view, tuple(i % before for i in range(count)), before / count)

    _put(entries, new, name, source)
    return new


def _classes(entries: dict[str, Entry], geometry: Architecture, manifest: Manifest, wanted: Bridges) -> Architecture:
    """Another head: rows of known labels by name, the rest fresh; without labels, all fresh if the number differs."""
    count = len(wanted.labels) or wanted.num_classes or geometry.classes
    if wanted.labels and not manifest.labels:
        raise InvalidValue(
            f"learngene {manifest.reference} knows {geometry.classes} classes but not their names; "
            f"leave out labels and say num_classes"
        )
    own = wanted.labels == manifest.labels if wanted.labels else count == geometry.classes
    if own:
        return geometry
    known = {label: row for row, label in enumerate(manifest.labels)}
    unknown = [label for label in wanted.labels if label not in known]
    rows = {label: geometry.classes + i for i, label in enumerate(unknown)} | known
    new = _with_classes(geometry, count)
    for entry in [e for e in entries.values() if e.name.endswith(("head.weight", "head.bias"))]:
        bias = entry.name.endswith("bias")
        fresh = Fill("zeros") if bias else Fill("truncated_normal", derive_seed(wanted.seed, entry.name))
        shape = (count, *entry.shape[1:])
        source: Source = fresh
        if len(unknown) < len(wanted.labels) and not isinstance(entry.source, Fill):
            added = (len(unknown), *entry.shape[1:])
            both = Joined((entry.source, fresh), (entry.shape, added), axis=0) if unknown else entry.source
            view = (geometry.classes + len(unknown), *entry.shape[1:])
            index = Listed(tuple(rows[label] for label in wanted.labels))
            source = Pick(both, view, (index, *(All() for _ in entry.shape[1:])))
        entries[entry.name] = Entry(entry.name, shape, source)
    return new


def _channel(source: Source, view: vit.Shape, channels: tuple[int, ...], factor: float) -> Source:
    axes: tuple[Index, ...] = (All(), Listed(channels), All(), All())
    return Pick(source, view, axes, factor)


def _with_classes(geometry: Architecture, count: int) -> Architecture:
    match geometry:
        case Geometry():
            return replace(geometry, classes=count)
        case MiniGeometry(plain):
            return replace(geometry, plain=replace(plain, classes=count))
        case StitchedGeometry(front, back):
            return replace(geometry, front=replace(front, classes=count), back=replace(back, classes=count))


def _put(entries: dict[str, Entry], geometry: Geometry, name: str, change: Callable[[Source], Source]) -> None:
    """Replace an entry's source, at its shape in the new geometry."""
    entries[name] = Entry(name, vit.frame_shapes(geometry)[name], change(entries[name].source))

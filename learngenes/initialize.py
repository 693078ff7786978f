"""From a request to a recipe: the size checked, the method's plan, then what all methods share (head, dtype, keys)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from learngenes import config, gene, recipe
from learngenes.errors import BadManifest, InvalidValue, UnknownName
from learngenes.families import vit
from learngenes.families.vit import Geometry
from learngenes.formulas import VERSION
from learngenes.gene import Manifest
from learngenes.recipe import DTYPES, Entry, Fill, Recipe
from learngenes.sizes import Size
from learngenes.zoo import METHODS, Method

KEYS = ("timm",)
MAX_CLASSES = 100_000


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a learngene; what is left out is the learngene's own.

    num_classes: another one than the learngene's gets a fresh head. seed: of all fresh and drawn values.
    options: the method's plan options, by name.
    """

    depth: int | None = None
    width: int | None = None
    num_classes: int | None = None
    dtype: str = "f32"
    keys: str = "timm"
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("depth", "width", "num_classes", "seed"):
            value = getattr(self, name)
            if value is not None and type(value) is not int:
                raise InvalidValue(f"{name} is a whole number, got {value!r}")
        if self.dtype not in DTYPES:
            raise UnknownName("dtype", self.dtype, DTYPES)
        if self.keys not in KEYS:
            raise UnknownName("key naming", self.keys, KEYS)
        if self.num_classes is not None and not 1 <= self.num_classes <= MAX_CLASSES:
            raise InvalidValue(f"num_classes is 1 to {MAX_CLASSES}, got {self.num_classes}")
        if not 0 <= self.seed < 1 << 64:
            raise InvalidValue(f"a seed is a whole number of 0 to 2**64 - 1, got {self.seed}")


def method_of(manifest: Manifest) -> Method:
    """The method that expands this learngene; BadManifest if this library does not know it or its version."""
    method = METHODS.get(manifest.method)
    if method is None:
        raise BadManifest(
            f"learngene {manifest.reference} is of method {manifest.method!r}; known: {', '.join(METHODS)}"
        )
    if method.version != manifest.method_version:
        raise BadManifest(
            f"learngene {manifest.reference} is of {manifest.method} version {manifest.method_version}, "
            f"this library has version {method.version}"
        )
    own = method.space(manifest.geometry)
    if manifest.space.depth.last > own.depth.last or manifest.space.width != own.width:
        raise BadManifest(
            f"learngene {manifest.reference} claims depth {manifest.space.depth} and width {manifest.space.width}, "
            f"{manifest.method} makes depth {own.depth} and width {own.width}"
        )
    return method


def initialize(manifest: Manifest, request: Request) -> Recipe:
    """The recipe of the descendant asked for.

    UnsupportedSize, UnknownName or InvalidValue say what can't be and what can. No tensor is read.
    """
    method = method_of(manifest)
    options = config.parse(
        {"seed": request.seed} | request.options, method.options, where=f"the options of {manifest.method}"
    )
    size = _size(manifest, request)
    layer_map, entries = method.plan(manifest, size, options)
    geometry = _resized(manifest.geometry, size)
    if request.num_classes not in (None, geometry.classes):
        geometry = replace(geometry, classes=request.num_classes)
        entries = [_fresh_head(entry, geometry, request.seed) for entry in entries]
    assert {entry.name: entry.shape for entry in entries} == vit.shapes(geometry)
    return Recipe(
        learngene=manifest.reference,
        manifest=gene.digest(manifest),
        formulas=VERSION,
        family=manifest.family,
        geometry=geometry,
        dtype=DTYPES[request.dtype],
        keys="timm",
        layer_map=layer_map,
        entries=tuple(sorted(entries, key=lambda entry: entry.name)),
    )


def _size(manifest: Manifest, request: Request) -> Size:
    layers = request.options.get("layers")
    depth = request.depth
    if depth is None:
        depth = len(layers) if isinstance(layers, list | tuple) else manifest.geometry.depth
    width = manifest.geometry.width if request.width is None else request.width
    return manifest.space.check(depth, width, learngene=manifest.reference)


def _resized(geometry: Geometry, size: Size) -> Geometry:
    """The geometry at another size; the head dimension stays."""
    heads = size.width * geometry.heads // geometry.width
    return replace(geometry, depth=size.depth, width=size.width, heads=heads)


def _fresh_head(entry: Entry, geometry: Geometry, seed: int) -> Entry:
    shape = vit.frame_shapes(geometry).get(entry.name, entry.shape)
    match entry.name:
        case "head.weight":
            return Entry(entry.name, shape, Fill("truncated_normal", recipe.derive_seed(seed, entry.name)))
        case "head.bias":
            return Entry(entry.name, shape, Fill("zeros"))
    return entry

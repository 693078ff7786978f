"""From a request to a recipe: the size checked, the method's plan, then what all methods share (bridges, dtype)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from learngenes import config
from learngenes.errors import BadManifest, InvalidValue, UnknownName
from learngenes.families import architectures
from learngenes.formulas import VERSION
from learngenes.gene import Manifest
from learngenes.planning.bridges import Bridges, bridged
from learngenes.planning.naming import named
from learngenes.recipe import DTYPES, KEYS, Keys, Recipe
from learngenes.sizes import Size
from learngenes.zoo import METHODS, Method


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a learngene; what is left out is the learngene's own.

    num_classes: another one than the learngene's gets a fresh head; labels: class names, whose rows of the head are
    taken over where the learngene knows them. img_size, patch_size, in_chans, pool: other inputs and pooling.
    keys: whose names the tensors have. seed: of all fresh and drawn values. options: the method's plan options.
    """

    depth: int | None = None
    width: int | None = None
    num_classes: int | None = None
    labels: tuple[str, ...] = ()
    img_size: int | None = None
    patch_size: int | None = None
    in_chans: int | None = None
    pool: Literal["token", "avg"] | None = None
    dtype: str = "f32"
    keys: Keys = "timm"
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("depth", "width", "seed"):
            value = getattr(self, name)
            if value is not None and type(value) is not int:
                raise InvalidValue(f"{name} is a whole number, got {value!r}")
        if self.dtype not in DTYPES:
            raise UnknownName("dtype", self.dtype, DTYPES)
        if self.keys not in KEYS:
            raise UnknownName("key naming", self.keys, KEYS)
        if self.pool not in (None, "token", "avg"):
            raise UnknownName("pooling", self.pool, ("token", "avg"))
        if not 0 <= self.seed < 1 << 64:
            raise InvalidValue(f"a seed is a whole number of 0 to 2**64 - 1, got {self.seed}")
        _ = self.bridges

    @property
    def bridges(self) -> Bridges:
        """What is asked for beside the size and the method's options."""
        return Bridges(
            num_classes=self.num_classes,
            labels=self.labels,
            img_size=self.img_size,
            patch_size=self.patch_size,
            in_chans=self.in_chans,
            pool=self.pool,
            seed=self.seed,
        )


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
    own = method.space(manifest.geometry, manifest.method_facts)
    if not manifest.space.within(own):
        raise BadManifest(
            f"learngene {manifest.reference} claims depth {manifest.space.depth} and width {manifest.space.width}, "
            f"{manifest.method} makes depth {own.depth} and width {own.width}"
        )
    return method


def initialize(manifest: Manifest, request: Request) -> Recipe:
    """The recipe of the descendant asked for.

    UnsupportedSize, NeedsLearning, UnknownName or InvalidValue say what can't be and what can. No tensor is read.
    """
    method = method_of(manifest)
    options = config.parse(
        {"seed": request.seed} | request.options, method.options, where=f"the options of {manifest.method}"
    )
    planned = bridged(method.plan(manifest, _size(manifest, request), options), manifest, request.bridges)
    assert {entry.name: entry.shape for entry in planned.entries} == architectures.shapes(planned.geometry)
    return Recipe(
        learngene=manifest.reference,
        manifest=manifest.digest,
        formulas=VERSION,
        family=architectures.family(planned.geometry),
        geometry=planned.geometry,
        dtype=DTYPES[request.dtype],
        keys=request.keys,
        layer_map=planned.layer_map,
        entries=tuple(sorted(named(planned, request.keys), key=lambda entry: entry.name)),
        labels=() if request.labels == manifest.labels else request.labels,
    )


def size_of(manifest: Manifest, request: Request) -> tuple[int, int]:
    """Depth and width asked for, with the learngene's own where nothing is said; not checked."""
    own = manifest.space.nearest(manifest.geometry.depth, manifest.geometry.width)
    layers = request.options.get("layers")
    depth = request.depth
    if depth is None:
        depth = len(layers) if isinstance(layers, list | tuple) else own.depth
    return depth, own.width if request.width is None else request.width


def _size(manifest: Manifest, request: Request) -> Size:
    depth, width = size_of(manifest, request)
    return manifest.space.check(depth, width, learngene=manifest.reference)

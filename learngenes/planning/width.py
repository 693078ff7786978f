"""Another width: every tensor is picked from a wider one by one index list per space.

Weight selection ("Initializing Models with Larger Ones", arXiv:2311.18823) and weight subcloning (arXiv:2312.09299)
are choices of these lists. A ViT has four spaces (families.vit.spaces): the residual stream, one list for the whole
network; a block's heads, the dimensions of a head, and its hidden layer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry, Space, spaces
from learngenes.gene import Manifest
from learngenes.planning.blocks import Tensors
from learngenes.recipe import derive_seed
from learngenes.sizes import Steps
from learngenes.sources import All, Drawn, Evenly, Fill, First, Index, Pick, Source, Top

Select = Literal["uniform", "consecutive", "random", "inconsistent", "importance"]
Heads = Literal["whole", "within", "blend", "published"]
Scale = Literal["none", "fan_in"]


@dataclass(frozen=True, slots=True)
class WidthOptions:
    """How a narrower network is picked from a wider one.

    select: `uniform`ly spread, `consecutive` from the first, `random` (drawn with `seed`, one list per space),
    `inconsistent` (drawn anew for every tensor: a negative control) or by `importance` (needs stored scores).
    heads: `whole` heads are kept or left; `within` keeps every head and picks its dimensions; `blend` picks from the
    joined dimensions of all heads, alike for query, key, value and projection; `published` is the authors' code: flat
    rows of qkv, which at widths that do not divide misaligns query, key and value.
    scale: `fan_in` multiplies every linear layer by sqrt(inputs before / inputs now), so that its outputs keep their
    size (arXiv:2312.09299, section 3).
    """

    select: Select = "uniform"
    heads: Heads = "whole"
    scale: Scale = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 1 << 64:
            raise InvalidValue(f"a seed is a whole number of 0 to 2**64 - 1, got {self.seed!r}")
        if self.select == "importance" and self.heads in ("blend", "published"):
            raise InvalidValue(f"importance ranks whole heads: heads {self.heads!r} can't be chosen by it; say 'whole'")
        if self.heads == "published" and self.select not in ("uniform", "consecutive"):
            raise InvalidValue(f"heads 'published' knows uniform and consecutive, got {self.select!r}")


def widths(geometry: Geometry) -> Steps:
    """The widths a network can be narrowed to: whole heads of its own head dimension."""
    unit = geometry.width // geometry.heads
    return Steps(unit, geometry.width, unit)


def narrowed(geometry: Geometry, width: int, options: WidthOptions) -> Geometry:
    """The geometry at another width: heads of the same dimension, or with `within` as many heads as before."""
    if width == geometry.width:
        return geometry
    if options.heads == "within":
        if width % geometry.heads:
            raise InvalidValue(
                f"heads 'within' keeps {geometry.heads} heads, and width {width} does not divide into them; "
                f"say 'whole', or a multiple of {geometry.heads}"
            )
        return replace(geometry, width=width)
    return replace(geometry, width=width, heads=width * geometry.heads // geometry.width)


@dataclass(frozen=True, slots=True)
class Narrowing:
    """From a parent's geometry to a child's, of one learngene."""

    manifest: Manifest
    parent: Geometry
    child: Geometry
    options: WidthOptions

    def __post_init__(self) -> None:
        if self.parent.width < self.child.width or self.parent.heads < self.child.heads:
            raise InvalidValue(
                f"learngene {self.manifest.reference} has width {self.parent.width} and {self.parent.heads} heads; "
                f"{self.child.width} and {self.child.heads} can't be picked from it: the parent has to be the larger"
            )

    def apply(self, tensors: Tensors, *, where: str, rankings: str = "") -> Tensors:
        """The tensors of a block or of the frame, narrowed; fresh ones are not picked but drawn at the child's shape.

        where: names this block among others, so that its random lists are its own. rankings: prefix of its stored
        scores of heads and hidden units; those of the residual stream lie under `rankings.res`.
        """
        if self.parent.width == self.child.width:
            return tensors
        before, after = spaces(self.parent), spaces(self.child)

        def source(name: str) -> Source:
            whole = tensors(name)
            if isinstance(whole, Fill):
                return whole
            old, new = before[name], after[name]
            if self.options.heads in ("blend", "published"):
                flat = self.options.heads == "published"
                old, new = _joined(old, flat=flat), _joined(new, flat=flat)
            axes = tuple(
                self._index(space, length, count, where=where, rankings=rankings, tensor=f"{where}.{name}.{axis}")
                for axis, ((space, length), (_, count)) in enumerate(zip(old, new, strict=True))
            )
            if all(isinstance(index, All) for index in axes):
                return whole
            return Pick(whole, tuple(n for _, n in old), axes, self._factor(name))

        return source

    def _index(self, space: Space, length: int, count: int, *, where: str, rankings: str, tensor: str) -> Index:
        if length == count:
            return All()
        home = space if space == "res" else f"{where}.{space}"
        match self.options.select:
            case "uniform":
                return Evenly(count, float32=self.options.heads == "published")
            case "consecutive":
                return First(count)
            case "random":
                return Drawn(count, derive_seed(self.options.seed, f"select/{home}"))
            case "inconsistent":
                return Drawn(count, derive_seed(self.options.seed, f"select/{tensor}"))
            case "importance":
                if space == "dim":
                    raise InvalidValue("importance ranks whole heads: heads 'within' needs another selection")
                return Top(self._ranking(space, rankings), count)

    def _ranking(self, space: Space, rankings: str) -> str:
        name = {"res": "rankings.res", "head": f"{rankings}.heads", "hid": f"{rankings}.hidden"}[space]
        if name not in self.manifest.weights.tensors and self.manifest.parent is None:
            raise InvalidValue(
                f"learngene {self.manifest.reference} holds no importance scores {name!r}; "
                f"choose select 'uniform', or a learngene with scores"
            )
        return name

    def _factor(self, name: str) -> float:
        if self.options.scale == "none" or not name.endswith("weight"):
            return 1.0
        match name:
            case "attn.qkv.weight" | "attn.proj.weight" | "mlp.fc1.weight" | "head.weight":
                return math.sqrt(self.parent.width / self.child.width)
            case "mlp.fc2.weight":
                return math.sqrt(self.parent.hidden / self.child.hidden)
        return 1.0


def _joined(axes: tuple[tuple[Space, int], ...], *, flat: bool) -> tuple[tuple[Space, int], ...]:
    """Axes with head and dim as one, and with `flat` also query, key and value."""
    made: list[tuple[Space, int]] = []
    for space, length in axes:
        if space == "dim" or (space == "head" and flat and made and made[-1][0] == "part"):
            made[-1] = ("head", made[-1][1] * length)
        else:
            made.append((space, length))
    return tuple(made)

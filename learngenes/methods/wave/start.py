"""Where the scalers of a new size start: by a rule, or close to a target network. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry, block_shapes, frame_shapes
from learngenes.formulas import Reader, compute
from learngenes.gene import Manifest
from learngenes.methods.wave.facts import Facts, at, cuts, scalers_name, templates_name
from learngenes.methods.wave.options import PlanOptions
from learngenes.methods.wave.pieces import fitted, pieces
from learngenes.methods.wave.plan import tensors as templated
from learngenes.methods.wave.scalers import scalers
from learngenes.planning.blocks import Tensors, stored
from learngenes.planning.depth import chosen
from learngenes.planning.expansion import expanded
from learngenes.planning.width import WidthOptions
from learngenes.sizes import Size, nearest_first
from learngenes.tensorfile import FloatArray, IndexArray, TensorFile


@dataclass(frozen=True, slots=True)
class Arrays:
    """Tensors in memory, for formulas to read."""

    held: Mapping[str, FloatArray]

    def array(self, name: str) -> FloatArray:
        """A tensor by its name."""
        return self.held[name]

    def indices(self, name: str) -> IndexArray:
        """There are none."""
        raise KeyError(name)


def ruled(
    geometry: Geometry, facts: Facts, size: Size, options: PlanOptions, tensors: Mapping[str, FloatArray] | Reader
) -> dict[str, FloatArray]:
    """The scalers of a size by a rule, under their stored names: what the plan computes without fitting."""
    reader: Reader = Arrays(tensors) if isinstance(tensors, Mapping) else tensors
    source = scalers(geometry, facts, size, options)
    made = {}
    for name, (cut, terms, in_blocks) in cuts(at(geometry, size), facts).items():
        shape = (terms, *cut.scalers)
        if in_blocks:
            layers = [compute(source(name, block), shape, reader) for block in range(size.depth)]
            made[scalers_name(size, name)] = np.stack(layers)
        else:
            made[scalers_name(size, name)] = compute(source(name, None), shape, reader).copy()
    return made


def closest(
    manifest: Manifest, facts: Facts, size: Size, tensors: Reader, target: TensorFile | None
) -> dict[str, FloatArray]:
    """The scalers with which the templates come closest to a target of this size, by least squares.

    The target is a network at least as wide: the file's, or without one the learngene's own of its nearest stored size;
    narrowed evenly (scaled by fan-in) and its layers thinned or doubled evenly. Exact where it lies in the span.
    """
    geometry = manifest.geometry
    if target is None:
        wide = [near for near in nearest_first(facts.sizes, size) if near.width >= size.width]
        if not wide:
            raise InvalidValue(
                f"init 'lstsq' needs a network at least as wide as {size.width}; learngene {manifest.reference} stores "
                f"{', '.join(str(near.width) for near in facts.sizes)}: name a target, or say init 'interp'"
            )
        layers, frame = templated(geometry, facts, wide[0], PlanOptions("fitted"))
        wanted = _narrowed(manifest, wide[0], size, layers, frame, tensors)
    else:
        found = _size_of(target, manifest)
        layers = [stored(f"blocks.{i}") for i in range(found.depth)]
        wanted = _narrowed(manifest, found, size, layers, stored(), target)
    made = {}
    for name, (cut, terms, in_blocks) in cuts(at(geometry, size), facts).items():
        templates = tensors.array(templates_name(name)).reshape(terms, -1)
        names = [f"blocks.{i}.{name}" for i in range(size.depth)] if in_blocks else [name]
        best = fitted(np.stack([pieces(wanted[n], cut, facts.order) for n in names]), templates)
        shape = (size.depth, terms, *cut.scalers) if in_blocks else (terms, *cut.scalers)
        made[scalers_name(size, name)] = best.reshape(shape)
    return made


def _narrowed(
    manifest: Manifest, before: Size, size: Size, layers: list[Tensors], frame: Tensors, reader: Reader
) -> dict[str, FloatArray]:
    """The tensors of a network of size `before`, narrowed and thinned to `size`."""
    whole = replace(manifest, geometry=at(manifest.geometry, before))
    planned = expanded(
        whole,
        size,
        WidthOptions(scale="fan_in"),
        blocks=chosen(size.depth, before.depth, keep="uniform", grow="duplicate"),
        layer=lambda layer, at: layers[layer],
        name=lambda layer: f"blocks.{layer}",
        frame=frame,
    )
    return {entry.name: compute(entry.source, entry.shape, reader) for entry in planned.entries}


def _size_of(target: TensorFile, manifest: Manifest) -> Size:
    """Depth and width of a checkpoint; InvalidValue unless all else is as in the learngene's geometry."""
    blocks = {name.split(".")[1] for name in target.tensors if name.startswith("blocks.")}
    embeddings = target.tensors.get("pos_embed")
    if embeddings is None or not blocks:
        raise InvalidValue("the target is no plain ViT: it has no pos_embed or no blocks; name a timm checkpoint")
    found = Size(len(blocks), embeddings.shape[-1])
    if found.width % (manifest.geometry.width // manifest.geometry.heads):
        raise InvalidValue(f"the target's width {found.width} is no multiple of the learngene's head dimension")
    geometry = at(manifest.geometry, found)
    needed = {f"blocks.{i}.{n}": s for i in range(found.depth) for n, s in block_shapes(geometry).items()}
    for name, shape in (needed | frame_shapes(geometry)).items():
        has = target.tensors[name].shape if name in target.tensors else None
        if has != shape:
            raise InvalidValue(
                f"the target does not fit learngene {manifest.reference}: tensor {name!r} has shape {has}, "
                f"a ViT of its kind at depth {found.depth}, width {found.width} needs {shape}"
            )
    return found

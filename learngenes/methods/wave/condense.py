"""Templates from a checkpoint without images: the best in Frobenius norm, tensor by tensor. Ours; free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from learngenes.families.vit import Geometry
from learngenes.methods.wave.facts import Facts, cuts, scalers_name, templates_name
from learngenes.methods.wave.options import TEMPLATES, LearnOptions
from learngenes.methods.wave.pieces import Spectrum, distance, fitted, spectrum
from learngenes.sizes import Size
from learngenes.tensorfile import FloatArray


@dataclass(frozen=True, slots=True)
class Condensed:
    """tensors: templates, scalers of the ancestor's size and head.bias; errors: of every tensor, as measured."""

    tensors: dict[str, FloatArray]
    facts: Facts
    errors: dict[str, float]


def condensed(ancestor: Mapping[str, FloatArray], geometry: Geometry, options: LearnOptions) -> Condensed:
    """A plain ViT's tensors as templates and scalers. Outside the blocks nothing is lost.

    The pieces of a tensor of all layers are one matrix; its first right singular vectors are the best templates, and
    the share of the others its error (methods.md has the derivation; Eckart and Young 1936).
    """
    side = geometry.width // options.unit
    size = Size(geometry.depth, geometry.width)
    facts = Facts(options.unit, 1, side, options.order, (size,))
    spectra: dict[str, Spectrum] = {}
    for name, (cut, _, in_blocks) in cuts(geometry, facts).items():
        layers = [ancestor[f"blocks.{i}.{name}"] for i in range(geometry.depth)] if in_blocks else [ancestor[name]]
        spectra[name] = spectrum(layers, cut, options.order)
    inner = [spectra[name] for name, (_, _, in_blocks) in cuts(geometry, facts).items() if in_blocks]
    facts = Facts(options.unit, _count(inner, options), side, options.order, (size,))
    tensors, errors = {"head.bias": ancestor["head.bias"]}, {}
    for name, (cut, terms, in_blocks) in cuts(geometry, facts).items():
        found = spectra[name]
        templates = found.templates(terms)
        scalers = fitted(found.values, templates)
        errors[name] = distance(found.values, templates, scalers, norm=found.norm)
        tensors[templates_name(name)] = templates.reshape(terms, *cut.template)
        shape = (geometry.depth, terms, *cut.scalers) if in_blocks else (terms, *cut.scalers)
        tensors[scalers_name(size, name)] = scalers.reshape(shape)
    return Condensed(tensors, facts, errors)


def _count(spectra: list[Spectrum], options: LearnOptions) -> int:
    """How many templates: as said, or the fewest that keep every tensor within the error."""
    if options.error is None:
        return options.templates or TEMPLATES
    most = max(len(found.energies) for found in spectra)
    return next(n for n in range(1, most + 1) if n == most or all(s.error(n) <= options.error for s in spectra))

"""Where a descendant's values come from: the init report and the lineage of every tensor."""

from __future__ import annotations

import math
from typing import Any, Literal

from learngenes import sources
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.recipe import Recipe
from learngenes.source_json import to_table
from learngenes.sources import Affine, Fill, Joined, KronSum, Pick, Resized, Source, Stored

Kind = Literal["copied", "computed", "resized", "fresh"]
KINDS: tuple[Kind, ...] = ("copied", "computed", "resized", "fresh")
NAMED_FRESH = 4
"""A note names at most so many fresh tensors."""


def init_report(recipe: Recipe, manifest: Manifest) -> dict[str, Any]:
    """How many tensors and parameters are copied, computed, resized and fresh, and in words what was changed."""
    report: dict[str, Any] = {kind: {"tensors": 0, "parameters": 0} for kind in KINDS}
    for entry in recipe.entries:
        kind = kind_of(entry.source)
        report[kind]["tensors"] += 1
        report[kind]["parameters"] += math.prod(entry.shape)
    report["notes"] = _notes(recipe, manifest)
    return report


def kind_of(source: Source) -> Kind:
    """copied: element for element as stored, all or some of them; fresh: nothing learned is in it."""
    match source:
        case Stored():
            return "copied"
        case Fill():
            return "fresh"
        case Resized(within):
            return "fresh" if kind_of(within) == "fresh" else "resized"
        case Affine(one, other) | KronSum(one, other):
            return "fresh" if kind_of(one) == kind_of(other) == "fresh" else "computed"
        case Pick(within, _, _, factor):
            inner = kind_of(within)
            return "computed" if inner == "copied" and factor != 1.0 else inner
        case Joined(parts):
            kinds = {kind_of(part) for part in parts}
            return next(kind for kind in ("resized", "computed", "copied", "fresh") if kind in kinds)


def lineage(recipe: Recipe) -> list[dict[str, Any]]:
    """For every tensor where its values come from: `stored`, a fill, or its source and all it reads."""
    rows: list[dict[str, Any]] = []
    for entry in recipe.entries:
        match entry.source:
            case Stored(name):
                rows.append({"tensor": entry.name, "stored": name})
            case Fill(init, seed):
                rows.append({"tensor": entry.name, "fill": init, "seed": seed})
            case source:
                reads = sorted({name for name, _ in sources.stored_names(source, entry.shape)})
                rows.append({"tensor": entry.name, "reads": reads, "source": to_table(source)})
    return rows


def _notes(recipe: Recipe, manifest: Manifest) -> list[str]:
    notes = []
    geometry, own = recipe.geometry, manifest.geometry
    fresh = [entry.name for entry in recipe.entries if kind_of(entry.source) == "fresh"]
    if geometry.classes != own.classes or recipe.labels:
        head = [name for name in fresh if "head." in name or name.startswith("classifier.")]
        fresh = [name for name in fresh if name not in head]
        if recipe.labels:
            known = 0 if head else len(set(recipe.labels) & set(manifest.labels))
            rest = "" if known == len(recipe.labels) else "; its other rows are fresh"
            notes.append(f"the head knows {known} of the {len(recipe.labels)} labels by name{rest}")
        elif head:
            notes.append(
                f"{' and '.join(head)} are fresh: {geometry.classes} classes were asked for, "
                f"the learngene knows {own.classes}"
            )
    if fresh:
        names = ", ".join(fresh[:NAMED_FRESH]) + (", ..." if len(fresh) > NAMED_FRESH else "")
        notes.append(f"{len(fresh)} {'tensor is' if len(fresh) == 1 else 'tensors are'} fresh: {names}")
    if isinstance(geometry, Geometry):
        notes += _bridge_notes(geometry, own)
    return notes


def _bridge_notes(geometry: Geometry, own: Geometry) -> list[str]:
    notes = []
    grids = own.image // own.patch, geometry.image // geometry.patch
    if grids[0] != grids[1]:
        notes.append(f"pos_embed is resized from a grid of {grids[0]} to one of {grids[1]} a side, bicubic")
    if geometry.patch != own.patch:
        notes.append(f"the patch kernel is resized from {own.patch} to {geometry.patch} a side by pseudo-inverse")
    if geometry.channels != own.channels:
        repeated = f"repeated to {geometry.channels}, times {own.channels}/{geometry.channels}"
        what = "summed into one" if geometry.channels == 1 else repeated
        notes.append(f"the patch kernel's {own.channels} channels are {what}")
    if geometry.class_token != own.class_token:
        notes.append(
            "a class token was added: it is fresh, and its row of pos_embed is zero"
            if geometry.class_token
            else "the class token and its row of pos_embed were dropped; the head sees the average of the patches"
        )
    elif geometry.pool != own.pool:
        notes.append("the head sees the class token, and saw the average of the patches")
    return notes

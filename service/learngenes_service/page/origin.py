"""Where a descendant's values come from, as it is drawn: shares of the init report, and what feeds each block."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from learngenes.gene import Manifest
from learngenes.recipe import Recipe
from learngenes.report import KINDS, Kind, init_report, kind_of

COLOURS = 8
"""Neighbouring layers have different ones; the label tells which layer it is."""

ALONE = 40
"""Up to so many blocks each has a cell of its own, beyond that neighbours of one layer share one."""

MOST_CELLS = 120

MEANINGS: dict[Kind, str] = {
    "copied": "as stored, element for element",
    "computed": "by a closed formula of stored tensors",
    "resized": "stored, fitted to another image or patch size",
    "fresh": "nothing learned is in them",
}

_PARTS = {
    "sws": "stage",
    "simple_lg": "layer",
    "tleg": "base + {at} slope",
    "wave": "scalers",
    "learngenepool": "layer",
    "minideit": "set",
}
"""What the number in a layer map counts; the layers of an ancestor if nothing is said."""

_BLOCK = re.compile(r"((?:front|back)\.)?(?:blocks|vit\.encoder\.layer|ijepa\.encoder\.layer|encoder\.layer)\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class Share:
    """One kind of the init report. start, breadth: of its piece of the bar, in percent."""

    kind: Kind
    meaning: str
    tensors: int
    parameters: int
    start: float
    breadth: float


@dataclass(frozen=True, slots=True)
class Cell:
    """Blocks first to last, and what they come from. colour: -1 for fresh ones."""

    first: int
    last: int
    source: str
    short: str
    kind: Kind
    colour: int

    @property
    def count(self) -> int:
        """Blocks."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of the learngene, and how many blocks it feeds: none, of one that this size does not take."""

    name: str
    blocks: int
    colour: int


@dataclass(frozen=True, slots=True)
class Origin:
    """All of it. layers: in the order of the learngene; left_out: cells that are not drawn."""

    shares: tuple[Share, ...]
    notes: tuple[str, ...]
    layers: tuple[Layer, ...]
    cells: tuple[Cell, ...]
    left_out: int


def origin(recipe: Recipe, manifest: Manifest) -> Origin:
    """What is drawn of a recipe."""
    report = init_report(recipe, manifest)
    cells = _cells(recipe, manifest)
    drawn, left_out = cells[:MOST_CELLS], len(cells[MOST_CELLS:])
    return Origin(_shares(report), tuple(report["notes"]), _layers(recipe, manifest), drawn, left_out)


def _shares(report: dict[str, Any]) -> tuple[Share, ...]:
    whole = sum(report[kind]["parameters"] for kind in KINDS) or 1
    shares, start = [], 0.0
    for kind in KINDS:
        found = report[kind]
        breadth = 100 * found["parameters"] / whole
        shares.append(Share(kind, MEANINGS[kind], found["tensors"], found["parameters"], start, breadth))
        start += breadth
    return tuple(shares)


def _cells(recipe: Recipe, manifest: Manifest) -> tuple[Cell, ...]:
    kinds = _kinds(recipe)
    blocks = [
        _cell(block, layer, kinds[block] if block < len(kinds) else "copied", recipe, manifest)
        for block, layer in enumerate(recipe.layer_map)
    ]
    if len(blocks) <= ALONE:
        return tuple(blocks)
    runs = (list(run) for _, run in groupby(blocks, key=lambda cell: (cell.source, cell.kind)))
    return tuple(
        Cell(run[0].first, run[-1].last, run[0].source, run[0].short, run[0].kind, run[0].colour) for run in runs
    )


def _cell(block: int, layer: int, kind: Kind, recipe: Recipe, manifest: Manifest) -> Cell:
    if kind == "fresh":
        return Cell(block, block, "fresh values", "fresh", kind, -1)
    part = _part(manifest)
    if part == _PARTS["tleg"]:
        source = "base" if layer == 0 else part.format(at=f"{layer}/{len(recipe.layer_map)}")
        return Cell(
            block, block, source, "base" if layer == 0 else f"+{layer}/{len(recipe.layer_map)}", kind, min(layer, 1)
        )
    return Cell(block, block, f"{part} {layer}", f"{part[0].upper()}{layer}", kind, layer % COLOURS)


def _part(manifest: Manifest) -> str:
    """A line of TLEG that was learned for each stage is that stage's."""
    staged = manifest.method == "tleg" and "stages" in manifest.method_facts
    return "stage" if staged else _PARTS.get(manifest.method, "layer")


def _kinds(recipe: Recipe) -> list[Kind]:
    """Of every block the most telling kind of its tensors: fresh only if all are."""
    found: dict[tuple[str, int], set[Kind]] = {}
    for entry in recipe.entries:
        if match := _BLOCK.match(entry.name):
            found.setdefault((match[1] or "", int(match[2])), set()).add(kind_of(entry.source))
    ordered = sorted(found, key=lambda place: (place[0] == "back.", place[1]))
    order: Sequence[Kind] = ("resized", "computed", "copied", "fresh")
    return [next(kind for kind in order if kind in found[place]) for place in ordered]


def _layers(recipe: Recipe, manifest: Manifest) -> tuple[Layer, ...]:
    """The learngene's layers, where it counts any: of the line of TLEG, the templates of WAVE, nothing is one."""
    if "stages" in manifest.method_facts:
        known = range(len(manifest.method_facts["stages"]))
    elif manifest.method in ("selection", "subcloning", "mimetic"):
        known = range(manifest.geometry.depth)
    else:
        return ()
    counts = Counter(recipe.layer_map)
    return tuple(Layer(f"{_part(manifest)} {n}", counts[n], n % COLOURS) for n in known)

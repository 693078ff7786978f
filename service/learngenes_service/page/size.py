"""A size as `/` shows it: what it costs, where its values come from, its tensors, how to load it, its provenance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from learngenes import recipe
from learngenes.budget.file_bytes import file_bytes
from learngenes.catalog import Catalog
from learngenes.families import architectures
from learngenes.families.architectures import Architecture
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.ready import planned
from learngenes.recipe import DTYPES, Recipe
from learngenes.report import kind_of, lineage
from learngenes.sizes import Size
from learngenes.zoo import METHODS
from learngenes_service.page.asked import Asked
from learngenes_service.page.origin import Origin, origin
from learngenes_service.page.snippets import Snippet, Wanted, snippets

TENSORS_PAGE = 60
"""Tensors on one page of the list."""


@dataclass(frozen=True, slots=True)
class Row:
    """A tensor of the file."""

    name: str
    shape: tuple[int, ...]
    kind: str
    source: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Tensors:
    """A page of the list of tensors, of `pages`, counted from 1."""

    rows: tuple[Row, ...]
    dtype: str
    total: int
    header_bytes: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A size that can be had. bytes: of the file, by dtype; foreign: what of it is not as it was when measured.

    tensors: None in a view on the way to another.
    """

    size: Size
    id: str
    params: int
    macs: int
    bytes: dict[str, int]
    origin: Origin
    tensors: Tensors | None
    snippets: tuple[Snippet, ...]
    chosen: Manifest
    foreign: str


def shown(catalog: Catalog, manifest: Manifest, asked: Asked, *, base_url: str, keyed: bool, passing: bool) -> Shown:
    """The size that is asked for; raises what `ready.planned` does. Nothing is kept or built.

    passing: without its tensors, for who slides on.
    """
    request = asked.to_request()
    wanted, chosen = planned(catalog, manifest, request)
    geometry = wanted.geometry
    size = Size(geometry.depth, geometry.width)
    id = recipe.digest(wanted)
    reference = asked.learngene or manifest.name
    yanked = any(catalog.yanks.has(one.reference) for one in (manifest, chosen))
    return Shown(
        size=size,
        id=id,
        params=architectures.parameters(geometry),
        macs=architectures.macs(geometry),
        bytes={name: _bytes(geometry, dtype) for name, dtype in DTYPES.items()},
        origin=origin(wanted, chosen),
        tensors=None if passing else _tensors(wanted, asked.page_of_tensors),
        snippets=snippets(Wanted(base_url, reference, size, request, keyed, yanked), geometry),
        chosen=chosen,
        foreign=_foreign(geometry, manifest),
    )


@lru_cache(maxsize=2048)
def _bytes(geometry: Architecture, dtype: str) -> int:
    """See file_bytes: of 512 blocks it takes 50 ms, and who slides comes back."""
    return file_bytes(geometry, dtype)


def _foreign(geometry: Architecture, manifest: Manifest) -> str:
    """What this descendant does not share with those that were measured: measurements say nothing of it then."""
    own = manifest.geometry
    differs = {"classes": geometry.classes != own.classes}
    if isinstance(geometry, Geometry):
        differs["images"] = geometry.image != own.image
    return " and ".join(name for name, differ in differs.items() if differ)


def provenance(manifest: Manifest) -> list[tuple[str, str]]:
    """Names and values of what is known of where a learngene comes from."""
    weights = manifest.weights
    rows = [
        ("learngene", manifest.reference),
        ("method", f"{METHODS[manifest.method].title}; {METHODS[manifest.method].paper}"),
        ("learned in", _network(manifest)),
        ("ancestor", _table(manifest.ancestor)),
        ("learned by", str(manifest.training.get("command", ""))),
        ("hardware", str(manifest.training.get("hardware", ""))),
        ("licence", manifest.license),
        ("licence of the data", manifest.data_license),
        ("file", f"{weights.bytes:,} bytes, {len(weights.tensors)} tensors, {manifest.dtype}"),
        ("sha256 of the file", weights.sha256),
        ("sha256 of the manifest", manifest.digest),
    ]
    if manifest.parent is not None:
        rows.insert(1, ("completes", manifest.parent.learngene))
    return [(name, value) for name, value in rows if value]


def _network(manifest: Manifest) -> str:
    own = manifest.geometry
    images = f"{own.channels} × {own.image} × {own.image} pixels in patches of {own.patch}"
    return f"depth {own.depth}, width {own.width}, {own.heads} heads, {images}, {own.classes:,} classes"


def _table(facts: dict[str, Any] | None) -> str:
    """Facts in one line; nested ones by their names alone."""
    if not facts:
        return "none"
    plain = {name: value for name, value in facts.items() if isinstance(value, str | int | float) and value != ""}
    return "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in plain.items()) or "none"


def _tensors(wanted: Recipe, page: int) -> Tensors:
    layout = recipe.file_layout(wanted)
    pages = max(1, -(-len(wanted.entries) // TENSORS_PAGE))
    page = min(page, pages)
    first = (max(page, 1) - 1) * TENSORS_PAGE
    entries = wanted.entries[first : first + TENSORS_PAGE]
    sources = lineage(wanted)[first : first + TENSORS_PAGE]
    rows = tuple(
        Row(
            entry.name,
            entry.shape,
            kind_of(entry.source),
            _source(row),
            layout.tensors[entry.name].stop - layout.tensors[entry.name].start,
        )
        for entry, row in zip(entries, sources, strict=True)
    )
    return Tensors(rows, wanted.dtype, len(wanted.entries), len(layout.header), page, pages)


def _source(row: dict[str, Any]) -> str:
    """Of a row of the lineage, in few words."""
    if "stored" in row:
        return str(row["stored"])
    if "fill" in row:
        return f"{row['fill']}, seed {row['seed']}"
    reads = row["reads"]
    how = next(iter(row["source"]))
    words = {
        "base": "line of",
        "pick": "picked from",
        "resized": "resized from",
        "scalers": "templates",
        "joined": "parts of",
    }
    return f"{words.get(how, how)} {', '.join(reads[:3])}{', …' if len(reads) > 3 else ''}" if reads else how

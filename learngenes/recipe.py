"""A recipe: every tensor of a descendant, each stored bytes or one closed formula.

From a recipe alone, before any tensor is read, the file's header, every offset and its length are known. Its digest is
the descendant's identity: it covers the learngene, the formulas' version, dtype, key names and every entry.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from learngenes import config, sources
from learngenes.errors import BadRecipe, LearngenesError
from learngenes.families import architectures, transformers
from learngenes.families.architectures import Architecture, Family
from learngenes.families.vit import Shape
from learngenes.header import Layout, item_bytes, layout
from learngenes.source_json import from_table, to_table
from learngenes.sources import Source

FORMAT = 1
DTYPES = {"f32": "F32", "f16": "F16", "bf16": "BF16"}
"""What a request calls a dtype, and what safetensors calls it."""

Keys = Literal["timm", "transformers"]
KEYS: tuple[Keys, ...] = get_args(Keys)
"""Whose names the tensors of a checkpoint have."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of the descendant and where its values come from."""

    name: str
    shape: Shape
    source: Source

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and all(type(n) is int and n >= 0 for n in self.shape)):
            raise BadRecipe(f"tensor {self.name!r} can't have shape {self.shape!r}")
        sources.check(self.source, self.shape)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to build one descendant.

    learngene: `name@version`; manifest: sha256 of that version's manifest, which pins every stored byte.
    formulas: version of the formulas; dtype: F32, F16 or BF16; keys: whose tensor names these are.
    layer_map: for each block the index of the stage or layer it comes from.
    entries: sorted by name, which is the order of the file.
    labels: class names, where they are not the learngene's own.
    """

    learngene: str
    manifest: str
    formulas: int
    family: Family
    geometry: Architecture
    dtype: str
    keys: Keys
    layer_map: tuple[int, ...]
    entries: tuple[Entry, ...]
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        item_bytes(self.dtype)
        names = [entry.name for entry in self.entries]
        if names != sorted(set(names)):
            raise BadRecipe("the entries of a recipe are sorted by name, each name once")
        if len(self.layer_map) != self.geometry.depth:
            raise BadRecipe(f"the layer map has {len(self.layer_map)} blocks, the network {self.geometry.depth}")
        if self.labels and len(self.labels) != self.geometry.classes:
            raise BadRecipe(f"{len(self.labels)} labels for a head of {self.geometry.classes} classes")
        if architectures.family(self.geometry) != self.family:
            raise BadRecipe(f"the geometry is not one of family {self.family!r}")
        shapes = transformers.shapes if self.keys == "transformers" else architectures.shapes
        if {entry.name: entry.shape for entry in self.entries} != shapes(self.geometry):
            raise BadRecipe("the entries are not the tensors of the network")


def file_layout(recipe: Recipe) -> Layout:
    """Header, offsets and size of the descendant's safetensors file."""
    return layout({entry.name: (recipe.dtype, entry.shape) for entry in recipe.entries})


def digest(recipe: Recipe) -> str:
    """64 hex digits that stand for exactly these bytes, for ever."""
    return hashlib.sha256(to_json(recipe)).hexdigest()


def to_json(recipe: Recipe) -> bytes:
    """The canonical form: sorted keys, no spaces. Equal recipes give equal bytes."""
    table: dict[str, Any] = {field.name: getattr(recipe, field.name) for field in fields(recipe)}
    table["format"] = FORMAT
    table["geometry"] = asdict(recipe.geometry)
    table["entries"] = [[e.name, e.shape, to_table(e.source)] for e in recipe.entries]
    if not recipe.labels:
        del table["labels"]  # as it was before there were labels: digests stay
    return json.dumps(table, sort_keys=True, separators=(",", ":")).encode()


def from_json(raw: bytes) -> Recipe:
    """The recipe whose `to_json` this is; BadRecipe if it is none."""
    try:
        table = json.loads(raw)
        if table.pop("format", None) != FORMAT:
            raise BadRecipe(f"this is not a recipe of format {FORMAT}")
        entries = tuple(Entry(name, tuple(shape), from_table(s)) for name, shape, s in table.pop("entries"))
        return config.parse(table | {"entries": entries}, Recipe, where="recipe")
    except BadRecipe:
        raise
    except (LearngenesError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadRecipe(f"this is not a recipe: {error}") from error


def derive_seed(seed: int, name: str) -> int:
    """A seed of its own for each fresh tensor, so that no two share their values."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "little")

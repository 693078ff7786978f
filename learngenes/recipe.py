"""A recipe: every tensor of a descendant, each stored bytes or one closed formula.

From a recipe alone, before any tensor is read, the file's header, every offset and its length are known. Its digest is
the descendant's identity: it covers the learngene, the formulas' version, dtype, key names and every entry.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from learngenes import config
from learngenes.errors import BadRecipe, LearngenesError
from learngenes.families import vit
from learngenes.families.vit import Geometry, Shape
from learngenes.tensorfile import Layout, item_bytes, layout

FORMAT = 1
DTYPES = {"f32": "F32", "f16": "F16", "bf16": "BF16"}
"""What a request calls a dtype, and what safetensors calls it."""

Init = Literal["zeros", "ones", "truncated_normal"]


@dataclass(frozen=True, slots=True)
class Stored:
    """The bytes of a tensor of the learngene, rounded if the descendant's dtype is another."""

    name: str


@dataclass(frozen=True, slots=True)
class Fill:
    """Fresh values: zeros, ones, or a normal of standard deviation 0.02 cut at two of them.

    seed: of the counter-based generator; only `truncated_normal` draws from it.
    """

    init: Init
    seed: int = 0

    def __post_init__(self) -> None:
        if self.init not in get_args(Init):
            raise BadRecipe(f"fill {self.init!r} is none of {', '.join(get_args(Init))}")
        if type(self.seed) is not int or not 0 <= self.seed < 1 << 64:
            raise BadRecipe(f"a seed is a whole number of 0 to 2**64 - 1, got {self.seed!r}")


Source = Stored | Fill
"""The closed set of sources. A new one is a class here, a case in formulas.py, and golden bytes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of the descendant and where its values come from."""

    name: str
    shape: Shape
    source: Source

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and all(type(n) is int and n >= 0 for n in self.shape)):
            raise BadRecipe(f"tensor {self.name!r} can't have shape {self.shape!r}")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to build one descendant.

    learngene: `name@version`; manifest: sha256 of that version's manifest, which pins every stored byte.
    formulas: version of the formulas; dtype: F32, F16 or BF16; keys: whose tensor names these are.
    layer_map: for each block the index of the stage or layer it comes from.
    entries: sorted by name, which is the order of the file.
    """

    learngene: str
    manifest: str
    formulas: int
    family: Literal["vit"]
    geometry: Geometry
    dtype: str
    keys: Literal["timm"]
    layer_map: tuple[int, ...]
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        item_bytes(self.dtype)
        names = [entry.name for entry in self.entries]
        if names != sorted(set(names)):
            raise BadRecipe("the entries of a recipe are sorted by name, each name once")
        if len(self.layer_map) != self.geometry.depth:
            raise BadRecipe(f"the layer map has {len(self.layer_map)} blocks, the network {self.geometry.depth}")
        if {entry.name: entry.shape for entry in self.entries} != vit.shapes(self.geometry):
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
    table["entries"] = [[e.name, e.shape, _source_to_json(e.source)] for e in recipe.entries]
    return json.dumps(table, sort_keys=True, separators=(",", ":")).encode()


def from_json(raw: bytes) -> Recipe:
    """The recipe whose `to_json` this is; BadRecipe if it is none."""
    try:
        table = json.loads(raw)
        if table.pop("format", None) != FORMAT:
            raise BadRecipe(f"this is not a recipe of format {FORMAT}")
        entries = tuple(Entry(name, tuple(shape), _source_from_json(s)) for name, shape, s in table.pop("entries"))
        return config.parse(table | {"entries": entries}, Recipe, where="recipe")
    except BadRecipe:
        raise
    except (LearngenesError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadRecipe(f"this is not a recipe: {error}") from error


def derive_seed(seed: int, name: str) -> int:
    """A seed of its own for each fresh tensor, so that no two share their values."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "little")


def _source_to_json(source: Source) -> dict[str, Any]:
    match source:
        case Stored(name):
            return {"stored": name}
        case Fill(init, seed):
            return {"fill": init, "seed": seed}


def _source_from_json(table: dict[str, Any]) -> Source:
    match table:
        case {"stored": str(name), **rest} if not rest:
            return Stored(name)
        case {"fill": init, "seed": seed, **rest} if not rest:
            return Fill(init, seed)
    raise BadRecipe(f"no source is written {table!r}")

"""Sources as JSON tables, which a recipe's digest covers: one line each way for every source and index rule.

What is written once is written the same for ever: a field that came later is left out at its first value.
"""

from __future__ import annotations

from typing import Any

from learngenes.errors import BadRecipe
from learngenes.sources import (
    MAX_NESTING,
    Affine,
    All,
    Drawn,
    Evenly,
    Fill,
    First,
    Index,
    Joined,
    KronSum,
    Last,
    Listed,
    Pick,
    Resized,
    Source,
    Stored,
    Top,
)


def to_table(source: Source) -> dict[str, Any]:
    """The table of a source."""
    match source:
        case Stored(name):
            return {"stored": name}
        case Fill(init, seed):
            return {"fill": init, "seed": seed}
        case Affine(base, slope, at):
            return {"base": to_table(base), "slope": to_table(slope), "at": at}
        case Pick(within, view, axes, factor):
            return {"pick": to_table(within), "view": view, "axes": [_index_to_json(i) for i in axes], "factor": factor}
        case KronSum(scalers, templates, terms, grid, block, order):
            table = {"scalers": to_table(scalers), "templates": to_table(templates)}
            return {**table, "terms": terms, "grid": grid, "block": block, "order": order}
        case Resized(within, view, axes, sides, kernel):
            return {"resized": to_table(within), "view": view, "axes": axes, "sides": sides, "kernel": kernel}
        case Joined(parts, views, axis):
            return {"joined": [to_table(part) for part in parts], "views": views, "axis": axis}


def from_table(table: Any, *, nesting: int = 0) -> Source:
    """The source whose `to_table` this is; BadRecipe if it is none."""
    if nesting > MAX_NESTING:
        raise BadRecipe(f"sources nest deeper than {MAX_NESTING}")

    def inner(table: Any) -> Source:
        return from_table(table, nesting=nesting + 1)

    match table:
        case {"stored": str(name), **rest} if not rest:
            return Stored(name)
        case {"fill": init, "seed": seed, **rest} if not rest:
            return Fill(init, seed)
        case {"base": base, "slope": slope, "at": at, **rest} if not rest:
            return Affine(inner(base), inner(slope), at)
        case {"pick": within, "view": view, "axes": list(axes), "factor": factor, **rest} if not rest:
            return Pick(inner(within), _shape(view), tuple(_index_from_json(i) for i in axes), factor)
        case {"scalers": scalers, "templates": templates, **rest} if rest.keys() == {"terms", "grid", "block", "order"}:
            (terms,), grid, block = _shape([rest["terms"]]), _pair(rest["grid"]), _pair(rest["block"])
            order: Any = rest["order"]
            return KronSum(inner(scalers), inner(templates), terms, grid, block, order)
        case {"resized": within, "view": view, "axes": axes, "sides": sides, "kernel": kernel, **rest} if not rest:
            return Resized(inner(within), _shape(view), _pair(axes), _pair(sides), kernel)
        case {"joined": list(parts), "views": list(views), "axis": axis, **rest} if not rest:
            (along,) = _shape([axis])
            return Joined(tuple(inner(part) for part in parts), tuple(_shape(view) for view in views), along)
    raise BadRecipe(f"no source is written {str(table)[:200]}")


def _index_to_json(index: Index) -> Any:
    match index:
        case All():
            return "all"
        case First(count):
            return {"first": count}
        case Last(count):
            return {"last": count}
        case Evenly(count, float32):
            return {"evenly": count, "float32": True} if float32 else {"evenly": count}
        case Drawn(count, seed):
            return {"drawn": count, "seed": seed}
        case Top(name, count):
            return {"top": count, "of": name}
        case Listed(indices):
            return indices


def _index_from_json(value: Any) -> Index:
    match value:
        case "all":
            return All()
        case {"first": int(count), **rest} if not rest:
            return First(count)
        case {"last": int(count), **rest} if not rest:
            return Last(count)
        case {"evenly": int(count), **rest} if rest in ({}, {"float32": True}):
            return Evenly(count, bool(rest))
        case {"drawn": int(count), "seed": seed, **rest} if not rest:
            return Drawn(count, seed)
        case {"top": int(count), "of": str(name), **rest} if not rest:
            return Top(name, count)
        case list(indices):
            return Listed(tuple(indices))
    raise BadRecipe(f"no index is written {str(value)[:200]}")


def _shape(value: Any) -> tuple[int, ...]:
    if not (isinstance(value, list | tuple) and all(type(n) is int and 0 <= n < 1 << 40 for n in value)):
        raise BadRecipe(f"{str(value)[:200]} is no shape")
    return tuple(value)


def _pair(value: Any) -> tuple[int, int]:
    shape = _shape(value)
    if len(shape) != 2:
        raise BadRecipe(f"{str(value)[:200]} are not two whole numbers")
    return shape[0], shape[1]

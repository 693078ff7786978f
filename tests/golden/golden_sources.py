"""Golden values of every source and index rule: its JSON in a recipe, and the bytes it computes, four by four."""

from __future__ import annotations

import json
from typing import Any, get_args

import numpy as np

from learngenes.formulas import compute, positions
from learngenes.source_json import to_table
from learngenes.sources import (
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

SHAPE = (4, 4)
WIDE = (6, 8)


class Held:
    """Stored tensors of whole numbers over 96, each by how it counts: no generator is pinned by accident."""

    def array(self, name: str) -> Any:
        """`a<n>x<m>...` has that shape."""
        shape = tuple(int(side) for side in name[1:].split("x"))
        values = (np.arange(np.prod(shape)) * 37 + ord(name[0])) % 101 - 50
        return values.astype(np.float32).reshape(shape) / 96

    def indices(self, name: str) -> Any:
        """A ranking of eight."""
        return np.array([5, 2, 7, 0, 3, 1, 4, 6], np.int32)


def pick(index: Index) -> Pick:
    return Pick(Stored("a6x8"), WIDE, (Evenly(4), index), 0.7)


SOURCES: dict[str, Source] = {
    "stored": Stored("a4x4"),
    "zeros": Fill("zeros"),
    "ones": Fill("ones"),
    "truncated normal": Fill("truncated_normal", 3),
    "affine": Affine(Stored("a4x4"), Stored("b4x4"), 1 / 3),
    "pick all": Pick(Stored("a4x4"), SHAPE, (All(), All()), 2**0.5),
    "pick first": pick(First(4)),
    "pick last": pick(Last(4)),
    "pick evenly": pick(Evenly(4)),
    "pick evenly in float32": Pick(Stored("a48"), (48,), (Evenly(23, float32=True),)),
    "pick evenly, the same exactly": Pick(Stored("a48"), (48,), (Evenly(23),)),
    "pick drawn": pick(Drawn(4, 9)),
    "pick top": pick(Top("rankings.res", 4)),
    "pick listed": pick(Listed((7, 0, 0, 3))),
    "kron sum, scaler first": KronSum(Stored("a3x2x2"), Stored("b3x2x2"), 3, (2, 2), (2, 2)),
    "kron sum, template first": KronSum(Stored("a3x2x2"), Stored("b3x2x2"), 3, (2, 2), (2, 2), "template-first"),
    "resized bicubic": Resized(Stored("a3x6"), (3, 6), (0, 1), SHAPE, "bicubic"),
    "resized bilinear": Resized(Stored("a3x6"), (3, 6), (0, 1), SHAPE, "bilinear"),
    "resized patch": Resized(Stored("a3x6"), (3, 6), (0, 1), SHAPE, "patch"),
    "joined": Joined((Stored("a1x4"), Fill("zeros"), Stored("b2x4")), ((1, 4), (1, 4), (2, 4)), 0),
    "nested": Affine(
        Resized(Pick(Stored("a2x6"), (2, 6), (All(), Last(3))), (2, 3), (0, 1), SHAPE, "bicubic"),
        Joined((KronSum(Stored("c2x1x1"), Stored("d2x4x3"), 2, (1, 1), (4, 3)), Fill("ones")), ((4, 3), (4, 1)), 1),
        -0.1,
    ),
}


def made() -> dict[str, object]:
    """For each source [its JSON, its values in hex]."""
    kinds = {type(source) for source in SOURCES.values()}
    rules = {type(rule) for source in SOURCES.values() if isinstance(source, Pick) for rule in source.axes}
    assert (kinds, rules) == (set(get_args(Source)), set(get_args(Index)))
    values: dict[str, object] = {}
    for name, source in SOURCES.items():
        shape = source.shape if isinstance(source, Pick) else SHAPE
        table = json.dumps(to_table(source), sort_keys=True, separators=(",", ":"))
        values[f"source: {name}"] = [table, compute(source, shape, Held()).astype("<f4").tobytes().hex()]
    values["evenly 45 of 48 in float32"] = positions(Evenly(45, float32=True), 48, Held()).tolist()
    return values

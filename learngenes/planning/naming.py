"""Whose names a descendant's tensors have: the last step of planning, after which no value changes."""

from __future__ import annotations

from learngenes.errors import BadTensorFile, InvalidValue
from learngenes.families import transformers
from learngenes.header import layout
from learngenes.planning.blocks import Planned
from learngenes.recipe import Entry, Keys
from learngenes.sources import All, Index, Listed, Pick

ROOM_DEPTH = 400
"""Headers of networks up to this depth have room for transformers' longer names."""


def named(planned: Planned, keys: Keys) -> tuple[Entry, ...]:
    """The planned tensors by these names; InvalidValue if transformers has no class for it, or a header no room.

    Queries, keys and values by their own names are rows of the one qkv: still its stored bytes.
    """
    if keys == "timm":
        return planned.entries
    known = {entry.name: entry for entry in planned.entries}
    entries = []
    for tensor in transformers.tensors(planned.geometry):
        source = known[tensor.timm].source
        if tensor.part is not None:
            axes: tuple[Index, ...] = (Listed((tensor.part,)), *(All() for _ in tensor.shape))
            source = Pick(source, (len(transformers.PARTS), *tensor.shape), axes)
        entries.append(Entry(tensor.name, tensor.shape, source))
    if planned.geometry.depth > ROOM_DEPTH:
        try:
            layout({entry.name: ("F32", entry.shape) for entry in entries})
        except BadTensorFile as error:
            raise InvalidValue(
                f"{planned.geometry.depth} blocks by transformers' names: {error}; ask for less depth or leave out keys"
            ) from None
    return tuple(entries)

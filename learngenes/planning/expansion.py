"""A network from the layers of a learngene: another width first, then another depth (methods.md's rule of composition).

Every method whose learngene holds whole layers plans with this; what differs is which layer a block comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from learngenes.gene import Manifest
from learngenes.planning.blocks import Planned, Tensors, network, stored
from learngenes.planning.depth import Placed
from learngenes.planning.width import Narrowing, WidthOptions, narrowed
from learngenes.sizes import Size
from learngenes.sources import Fill, Source


def expanded(
    manifest: Manifest,
    size: Size,
    options: WidthOptions,
    *,
    blocks: Sequence[Placed],
    layer: Callable[[int, int], Tensors],
    name: Callable[[int], str],
    frame: Tensors | None = None,
) -> Planned:
    """The descendant of this size.

    blocks: the layer of every block; layer(i, at): the tensors of layer i in the learngene's own width, standing at
    block `at`; name(i): what it is called in the learngene, under which its scores lie as `rankings.<name>`.
    frame: the tensors outside the blocks, by default stored by their own names.
    """
    parent = manifest.geometry
    child = replace(narrowed(parent, size.width, options), depth=size.depth)
    narrowing = Narrowing(manifest, parent, child, options)
    made = []
    for at, placed in enumerate(blocks):
        where = name(placed.layer)
        narrow = narrowing.apply(layer(placed.layer, at), where=where, rankings=f"rankings.{where}")
        made.append(_silenced(narrow) if placed.silent else narrow)
    outside = narrowing.apply(frame or stored(), where="frame")
    return Planned(child, tuple(placed.layer for placed in blocks), network(child, made, outside))


def _silenced(tensors: Tensors) -> Tensors:
    """A block whose branches add nothing: the last layer of each is zero, so the block is the identity."""

    def source(name: str) -> Source:
        return Fill("zeros") if name.startswith(("attn.proj.", "mlp.fc2.")) else tensors(name)

    return source

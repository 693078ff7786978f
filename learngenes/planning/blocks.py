"""From blocks to a network: the one place where a descendant's tensors are laid out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from learngenes.families.architectures import Architecture
from learngenes.families.vit import Geometry, block_shapes, frame_shapes
from learngenes.recipe import Entry
from learngenes.sources import Fill, Source, Stored

Tensors = Callable[[str], Source]
"""A block or a frame: for the name of a tensor within it, where its values come from."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a method makes of a learngene: a network, for each block the stage or layer it comes from, and its tensors.

    The head is the learngene's own; entries are in any order.
    """

    geometry: Architecture
    layer_map: tuple[int, ...]
    entries: tuple[Entry, ...]


def stored(prefix: str = "") -> Tensors:
    """Tensors that lie in the learngene under `prefix.`, or by their own names."""
    return lambda name: Stored(f"{prefix}.{name}" if prefix else name)


def fresh(prefix: str, seed: Callable[[str], int]) -> Tensors:
    """A new start: linear weights and embeddings cut normal of std 0.02, norms one, biases zero.

    seed: for each full name, the generator's.
    """

    def source(name: str) -> Source:
        full = f"{prefix}.{name}" if prefix else name
        if name.endswith("bias"):
            return Fill("zeros")
        return Fill("ones") if "norm" in name else Fill("truncated_normal", seed(full))

    return source


def network(geometry: Geometry, blocks: Sequence[Tensors], frame: Tensors) -> tuple[Entry, ...]:
    """The tensors of a ViT: block i from blocks[i], everything else from frame."""
    assert len(blocks) == geometry.depth
    inner = block_shapes(geometry)
    made = [Entry(f"blocks.{i}.{n}", shape, block(n)) for i, block in enumerate(blocks) for n, shape in inner.items()]
    return (*made, *(Entry(name, shape, frame(name)) for name, shape in frame_shapes(geometry).items()))


def within(name: str) -> tuple[int, str] | None:
    """Which block a tensor of a network lies in, and its name there; None outside the blocks."""
    blocks, _, rest = name.partition(".")
    block, _, inner = rest.partition(".")
    return (int(block), inner) if blocks == "blocks" else None

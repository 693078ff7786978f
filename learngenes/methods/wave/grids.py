"""How a ViT's tensors are cut into grids of equal blocks, and the source that puts one together again."""

from __future__ import annotations

from dataclasses import dataclass

from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry, Shape, block_shapes, frame_shapes
from learngenes.sources import Affine, All, Fill, Joined, KronSum, Listed, Order, Pick, Source

MAX_UNITS = 32
"""Widest descendant, in units."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A tensor as a grid of blocks, each a weighted sum of templates.

    grid, block: rows and columns; a vector is one column. parts: groups of rows that lie one after another whatever
    the order (query, key and value). inputs: whether the columns of the grid are the inputs of a linear layer, which
    sums over them. ones: the templates make up what is added to one (scales of norms).
    """

    grid: tuple[int, int]
    block: tuple[int, int]
    parts: int = 1
    inputs: bool = False
    ones: bool = False

    @property
    def scalers(self) -> Shape:
        """Of one template, as they are stored."""
        return self.grid[:1] if self.block[1] == 1 else self.grid

    @property
    def template(self) -> Shape:
        """One template, as it is stored."""
        return self.block[:1] if self.block[1] == 1 else self.block


def check_unit(unit: int, geometry: Geometry) -> None:
    """InvalidValue unless a network of this geometry can be cut by this unit."""
    dim = geometry.width // geometry.heads
    if unit % dim or geometry.width % unit:
        raise InvalidValue(
            f"unit is a multiple of the head dimension {dim} that divides width {geometry.width}, got {unit}"
        )
    if geometry.width > MAX_UNITS * unit:
        raise InvalidValue(f"width {geometry.width} is more than {MAX_UNITS} units of {unit}; take a larger unit")
    if not geometry.mlp_ratio.is_integer():
        raise InvalidValue(f"hidden layers are cut in units too: mlp_ratio is a whole number, got {geometry.mlp_ratio}")


def block_cuts(geometry: Geometry, unit: int) -> dict[str, Cut]:
    """Of the tensors of one block, by their names within it."""
    side, hidden = geometry.width // unit, geometry.hidden // unit
    square = (unit, unit)
    table = {
        "attn.qkv.weight": Cut((3 * side, side), square, parts=3, inputs=True),
        "attn.qkv.bias": Cut((3 * side, 1), (unit, 1), parts=3),
        "attn.proj.weight": Cut((side, side), square, inputs=True),
        "mlp.fc1.weight": Cut((hidden, side), square, inputs=True),
        "mlp.fc1.bias": Cut((hidden, 1), (unit, 1)),
        "mlp.fc2.weight": Cut((side, hidden), square, inputs=True),
        "norm1.weight": Cut((side, 1), (unit, 1), ones=True),
        "norm2.weight": Cut((side, 1), (unit, 1), ones=True),
    }
    return {name: table.get(name, Cut((side, 1), (unit, 1))) for name in block_shapes(geometry)}


def frame_cuts(geometry: Geometry, unit: int) -> dict[str, Cut]:
    """Of the tensors outside the blocks, without head.bias, which no width changes."""
    side = geometry.width // unit
    table = {
        "patch_embed.proj.weight": Cut((side, 1), (unit, geometry.channels * geometry.patch**2)),
        "pos_embed": Cut((1, side), (geometry.tokens, unit)),
        "head.weight": Cut((1, side), (geometry.classes, unit), inputs=True),
        "norm.weight": Cut((side, 1), (unit, 1), ones=True),
        "fc_norm.weight": Cut((side, 1), (unit, 1), ones=True),
    }
    names = frame_shapes(geometry).keys() - {"head.bias"}
    return {name: table.get(name, Cut((side, 1), (unit, 1))) for name in sorted(names)}


def together(cut: Cut, scalers: Source, templates: Source, *, terms: int, order: Order) -> Source:
    """The tensor: a grid of weighted sums of templates.

    scalers: (terms, *grid); templates: (terms, *block). Template-first, query, key and value are three sums.
    """
    made: Source
    if order == "scaler-first" or cut.parts == 1:
        made = KronSum(scalers, templates, terms, cut.grid, cut.block, order)
    else:
        rows, columns = cut.grid[0] // cut.parts, cut.grid[1]
        view = (terms, cut.parts, rows, columns)
        sums = tuple(
            KronSum(
                Pick(scalers, view, (All(), Listed((part,)), All(), All())),
                templates,
                terms,
                (rows, columns),
                cut.block,
                order,
            )
            for part in range(cut.parts)
        )
        shape = (rows * cut.block[0], columns * cut.block[1])
        made = Joined(sums, (shape,) * cut.parts, axis=0)
    return Affine(Fill("ones"), made, 1.0) if cut.ones else made

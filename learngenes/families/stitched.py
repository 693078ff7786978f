"""Two ViTs of different width in one: the first blocks of one, a linear stitch, the last blocks of the other.

LearngenePool and stitchable networks make these. Tensors: the front's embeddings and blocks under `front.`, the stitch,
and the back's blocks, final norm and head under `back.`, each by timm's names.
"""

from __future__ import annotations

from dataclasses import dataclass

from learngenes.errors import InvalidValue
from learngenes.families import vit
from learngenes.families.vit import Geometry, Shape

EMBEDDINGS = ("cls_token", "patch_embed.proj.bias", "patch_embed.proj.weight", "pos_embed")


@dataclass(frozen=True, slots=True)
class StitchedGeometry:
    """front: up to the stitch, its depth counting those blocks alone; back: behind it. Both see the same tokens."""

    front: Geometry
    back: Geometry

    def __post_init__(self) -> None:
        for name in ("image", "patch", "channels", "class_token", "classes", "norm_eps"):
            first, second = getattr(self.front, name), getattr(self.back, name)
            if first != second:
                raise InvalidValue(f"two networks can be stitched if they agree in {name}, got {first} and {second}")

    @property
    def depth(self) -> int:
        """Blocks of both."""
        return self.front.depth + self.back.depth

    @property
    def width(self) -> int:
        """Of the features that the head sees."""
        return self.back.width

    @property
    def classes(self) -> int:
        """Of the head."""
        return self.back.classes


@dataclass(frozen=True, slots=True, order=True)
class Path:
    """Through two ViTs of equal depth: blocks 0 .. leave of the first, a stitch, blocks enter .. of the second."""

    leave: int
    enter: int

    @property
    def window(self) -> int:
        """Which stitch: the first sliding window of two blocks that holds both ends. LearngenePool, stride 1."""
        return max(self.leave, self.enter, 1) - 1

    def depth(self, blocks: int) -> int:
        """Blocks of the path, where each of the two ViTs has so many."""
        return self.leave + 1 + blocks - self.enter


def paths(blocks: int) -> tuple[Path, ...]:
    """All paths whose ends lie in one window, 4 + 3 * (blocks - 2) of them: the ends are at most one block apart."""
    inside = range(blocks)
    return tuple(Path(i, j) for i in inside for j in (i - 1, i, i + 1) if j in inside)


def shapes(geometry: StitchedGeometry) -> dict[str, Shape]:
    """Shapes of every tensor."""
    front, back = vit.shapes(geometry.front), vit.shapes(geometry.back)
    first = {name: shape for name, shape in front.items() if name.startswith("blocks.") or name in EMBEDDINGS}
    second = {name: shape for name, shape in back.items() if name not in EMBEDDINGS}
    widths = geometry.front.width, geometry.back.width
    stitch: dict[str, Shape] = {"stitch.weight": (widths[1], widths[0]), "stitch.bias": (widths[1],)}
    return (
        {f"front.{name}": shape for name, shape in first.items()}
        | stitch
        | {f"back.{name}": shape for name, shape in second.items()}
    )


def macs(geometry: StitchedGeometry) -> int:
    """Multiply-adds of one image."""
    front, back = geometry.front, geometry.back
    head = front.width * front.classes
    embed = back.patches * back.channels * back.patch**2 * back.width
    return vit.macs(front) - head + front.tokens * front.width * back.width + vit.macs(back) - embed

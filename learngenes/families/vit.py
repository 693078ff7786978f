"""timm's VisionTransformer: geometry, tensor names and shapes, cost, and the arguments that build it.

Heads, LayerNorm eps and the order of norm and pooling belong to the geometry because published code has changed
each of them silently between an auxiliary network and its descendants.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from learngenes.errors import InvalidValue

Shape = tuple[int, ...]
Space = Literal["res", "head", "dim", "hid", "part", "fix", "tok", "cls", "chan", "side"]

BLOCK_TENSORS = (
    "attn.proj.bias",
    "attn.proj.weight",
    "attn.qkv.bias",
    "attn.qkv.weight",
    "mlp.fc1.bias",
    "mlp.fc1.weight",
    "mlp.fc2.bias",
    "mlp.fc2.weight",
    "norm1.bias",
    "norm1.weight",
    "norm2.bias",
    "norm2.weight",
)
"""The tensors of one block, without its `blocks.<i>.` prefix."""

MAX_SIDE = 1 << 24
"""No number of a geometry is larger: products of them stay exact and printable."""

TIMM_NORM_EPS = 1e-6
"""The only LayerNorm eps that timm's VisionTransformer builds without code."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Everything that decides the function of a ViT beside its weights.

    image, patch: pixels per side; channels: of the image; classes: of the head.
    pool: what the head sees, the class token or the average of the patch tokens.
    norm: the final LayerNorm comes `before-pool` (per token) or `after-pool`.
    """

    depth: int
    width: int
    heads: int
    patch: int
    image: int
    classes: int
    channels: int = 3
    mlp_ratio: float = 4.0
    class_token: bool = False
    pool: Literal["token", "avg"] = "avg"
    norm: Literal["before-pool", "after-pool"] = "before-pool"
    norm_eps: float = TIMM_NORM_EPS
    qkv_bias: bool = True

    def __post_init__(self) -> None:
        for name in ("depth", "width", "heads", "patch", "image", "classes", "channels"):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= MAX_SIDE:
                raise InvalidValue(f"{name} is a whole number of 1 to {MAX_SIDE}, got {str(value)[:40]}")
        if self.width % self.heads:
            raise InvalidValue(f"width {self.width} does not divide into {self.heads} heads")
        if self.image % self.patch:
            raise InvalidValue(f"image side {self.image} does not divide into patches of {self.patch}")
        if self.pool not in ("token", "avg") or self.norm not in ("before-pool", "after-pool"):
            raise InvalidValue(
                f"pool is 'token' or 'avg' and norm 'before-pool' or 'after-pool', got {self.pool!r} and {self.norm!r}"
            )
        if self.pool == "token" and not self.class_token:
            raise InvalidValue("pool 'token' needs class_token = true; without one, pool is 'avg'")
        if not (0 < self.mlp_ratio <= 1024 and self.hidden >= 1 and 0 < self.norm_eps < math.inf):
            raise InvalidValue(
                f"mlp_ratio leaves a hidden layer and norm_eps is above 0, got {self.mlp_ratio!r} and {self.norm_eps!r}"
            )

    @property
    def hidden(self) -> int:
        """Width of the MLP's hidden layer."""
        return int(self.width * self.mlp_ratio)

    @property
    def patches(self) -> int:
        """Number of patch tokens."""
        return (self.image // self.patch) ** 2

    @property
    def tokens(self) -> int:
        """Length of the sequence, the class token included."""
        return self.patches + self.class_token


def block_shapes(geometry: Geometry) -> dict[str, Shape]:
    """Shapes of one block's tensors, by their names within the block."""
    width, hidden = geometry.width, geometry.hidden
    shapes: dict[str, Shape] = {
        "attn.proj.bias": (width,),
        "attn.proj.weight": (width, width),
        "attn.qkv.bias": (3 * width,),
        "attn.qkv.weight": (3 * width, width),
        "mlp.fc1.bias": (hidden,),
        "mlp.fc1.weight": (hidden, width),
        "mlp.fc2.bias": (width,),
        "mlp.fc2.weight": (width, hidden),
        "norm1.bias": (width,),
        "norm1.weight": (width,),
        "norm2.bias": (width,),
        "norm2.weight": (width,),
    }
    if not geometry.qkv_bias:
        del shapes["attn.qkv.bias"]
    return shapes


def frame_shapes(geometry: Geometry) -> dict[str, Shape]:
    """Shapes of the tensors outside the blocks: embeddings, final norm, head."""
    width = geometry.width
    norm = "norm" if geometry.norm == "before-pool" else "fc_norm"
    shapes: dict[str, Shape] = {
        "patch_embed.proj.weight": (width, geometry.channels, geometry.patch, geometry.patch),
        "patch_embed.proj.bias": (width,),
        "pos_embed": (1, geometry.tokens, width),
        f"{norm}.weight": (width,),
        f"{norm}.bias": (width,),
        "head.weight": (geometry.classes, width),
        "head.bias": (geometry.classes,),
    }
    if geometry.class_token:
        shapes["cls_token"] = (1, 1, width)
    return shapes


def spaces(geometry: Geometry) -> dict[str, tuple[tuple[Space, int], ...]]:
    """For every tensor of a block and of the frame its axes: the index space each runs over, and its length.

    The product of the lengths is the tensor's size, in order. Four spaces have a width: `res`, the residual stream,
    one for the whole network; `head` and `dim`, a block's heads and the dimensions of one; `hid`, a block's hidden
    layer. `part` is query, key and value; `fix` is an axis that no width changes, `tok` tokens, `cls` classes.
    """
    res: tuple[Space, int] = ("res", geometry.width)
    hid: tuple[Space, int] = ("hid", geometry.hidden)
    head: tuple[Space, int] = ("head", geometry.heads)
    dim: tuple[Space, int] = ("dim", geometry.width // geometry.heads)
    part: tuple[Space, int] = ("part", 3)
    fix: tuple[Space, int] = ("fix", 1)
    tok: tuple[Space, int] = ("tok", geometry.tokens)
    classes: tuple[Space, int] = ("cls", geometry.classes)
    channel: tuple[Space, int] = ("chan", geometry.channels)
    side: tuple[Space, int] = ("side", geometry.patch)
    table: dict[str, tuple[tuple[Space, int], ...]] = {
        "attn.qkv.weight": (part, head, dim, res),
        "attn.qkv.bias": (part, head, dim),
        "attn.proj.weight": (res, head, dim),
        "mlp.fc1.weight": (hid, res),
        "mlp.fc1.bias": (hid,),
        "mlp.fc2.weight": (res, hid),
        "patch_embed.proj.weight": (res, channel, side, side),
        "cls_token": (fix, fix, res),
        "pos_embed": (fix, tok, res),
        "head.weight": (classes, res),
        "head.bias": (classes,),
    }
    names = (block_shapes(geometry) | frame_shapes(geometry)).keys()
    return {name: table.get(name, (res,)) for name in names}


def shapes(geometry: Geometry) -> dict[str, Shape]:
    """Shapes of every tensor of the network, by timm's names."""
    block = block_shapes(geometry)
    blocks = {f"blocks.{i}.{name}": shape for i in range(geometry.depth) for name, shape in block.items()}
    return blocks | frame_shapes(geometry)


def parameters(geometry: Geometry) -> int:
    """Number of parameters. Depth 9, width 384 at 224 px, 1000 classes, class token: 16,727,272."""
    return geometry.depth * _count(block_shapes(geometry)) + _count(frame_shapes(geometry))


def macs(geometry: Geometry) -> int:
    """Multiply-adds of one image: what the papers print as FLOPs. Linear layers and attention only."""
    tokens, width = geometry.tokens, geometry.width
    block = tokens * (4 * width + 2 * geometry.hidden) * width + 2 * tokens**2 * width
    embed = geometry.patches * geometry.channels * geometry.patch**2 * width
    return geometry.depth * block + embed + width * geometry.classes


def timm_architecture(geometry: Geometry) -> str:
    """A name that exists in every timm since 0.9 and takes `timm_arguments`."""
    return "vit_small_patch16_224" if geometry.width <= 384 else "vit_base_patch16_224"


def timm_arguments(geometry: Geometry) -> dict[str, object]:
    """Keyword arguments for `timm.create_model(timm_architecture(g), num_classes=g.classes, **these)`.

    JSON values only. `num_classes` stays out: transformers' TimmWrapper passes it itself.
    """
    if geometry.norm_eps != TIMM_NORM_EPS:
        raise InvalidValue(f"timm builds LayerNorm with eps {TIMM_NORM_EPS}, this network has {geometry.norm_eps}")
    return {
        "img_size": [geometry.image, geometry.image],
        "patch_size": geometry.patch,
        "in_chans": geometry.channels,
        "embed_dim": geometry.width,
        "depth": geometry.depth,
        "num_heads": geometry.heads,
        "mlp_ratio": geometry.mlp_ratio,
        "qkv_bias": geometry.qkv_bias,
        "class_token": geometry.class_token,
        "global_pool": geometry.pool,
        "fc_norm": geometry.norm == "after-pool",
    }


def _count(shapes: dict[str, Shape]) -> int:
    return sum(math.prod(shape) for shape in shapes.values())

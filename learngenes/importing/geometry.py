"""The geometry of a timm VisionTransformer, read from the names and shapes of its tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Literal

from learngenes.errors import InvalidValue
from learngenes.families import vit
from learngenes.families.vit import Geometry, Shape
from learngenes.sizes import MAX_DEPTH

HEAD_WIDTH = 64
"""Dimensions of a head in nearly every published ViT."""

OTHERWISE = {1152: 16, 1280: 16, 1408: 16, 1664: 16}
"""Widths at which timm's own networks have other heads than that (SO400M, huge, giant, gigantic): there it is asked."""

NOT_PLAIN = {
    r"blocks\.\d+\.ls[12]\.gamma": "LayerScale",
    r"(cls_token|dist_token|head_dist\..*)": "another token or head",
    r"reg_token": "register tokens",
    r"norm_pre\..*": "a norm before the blocks",
    r"norm\..*|fc_norm\..*": "two last norms",
    r"blocks\.\d+\.attn\.[qk]_norm\..*": "norms of queries and keys",
    r"blocks\.\d+\.mlp\.(w12|w3|fc1_g|fc1_x|norm)\..*": "another MLP",
    r"attn_pool\..*": "attention pooling",
}
"""What a tensor that has no place in a plain ViT stands for."""

_BLOCK = re.compile(r"blocks\.([0-9]{1,6})\.")


def read_geometry(
    shapes: Mapping[str, Shape],
    *,
    heads: int | None = None,
    pool: Literal["token", "avg"] | None = None,
    norm: Literal["before-pool", "after-pool"] | None = None,
) -> Geometry:
    """The geometry of the network with these tensors, by timm's names.

    heads: width / 64 unless given; pool: the class token where there is one and the last norm comes before pooling;
    norm: what the tensors say, InvalidValue if that is another. InvalidValue names the first tensor that is no part of
    a plain ViT, or has another shape there.
    """
    if not any(name in shapes for name in ("patch_embed.proj.weight", "pos_embed", "blocks.0.norm1.weight")):
        found = ", ".join(sorted(shapes)[:3]) or "nothing"
        raise InvalidValue(
            f"this is no ViT by timm's names, it starts with {found}; `learngenes import` renames those of transformers"
        )
    width, channels, patch = _patches(shapes)
    there = "after-pool" if "fc_norm.weight" in shapes else "before-pool"
    if norm not in (None, there):
        have = "fc_norm" if there == "after-pool" else "norm"
        raise InvalidValue(f"norm is {norm!r} and the file has {have!r}, which is {there!r}; leave norm out")
    token = "cls_token" in shapes
    geometry = Geometry(
        depth=_depth(shapes),
        width=width,
        heads=_heads(width, heads),
        patch=patch,
        image=_image(shapes, patch=patch, token=token),
        classes=_classes(shapes),
        channels=channels,
        mlp_ratio=_mlp_ratio(shapes, width),
        class_token=token,
        pool=pool or ("token" if token and there == "before-pool" else "avg"),
        norm=there,  # type: ignore[arg-type]
        qkv_bias="blocks.0.attn.qkv.bias" in shapes,
    )
    check_fits(shapes, geometry)
    return geometry


def check_fits(shapes: Mapping[str, Shape], geometry: Geometry) -> None:
    """InvalidValue, naming the first tensor at fault and both shapes, unless these are those of the geometry."""
    needed = vit.shapes(geometry)
    for name in sorted(shapes.keys() - needed.keys()):
        what = next((f" ({meaning})" for form, meaning in NOT_PLAIN.items() if re.fullmatch(form, name)), "")
        raise InvalidValue(
            f"tensor {name!r} has shape {shapes[name]} in the file and no place in a plain ViT of depth "
            f"{geometry.depth} and width {geometry.width}{what}; learngenes are cut out of timm's plain "
            f"VisionTransformer alone, export that"
        )
    for name, shape in needed.items():
        if name not in shapes:
            raise InvalidValue(
                f"tensor {name!r} is not in the file, a plain ViT of depth {geometry.depth} and width "
                f"{geometry.width} has it with shape {shape}; export the whole network"
            )
        if shapes[name] != shape:
            raise InvalidValue(
                f"tensor {name!r} has shape {shapes[name]} in the file and {shape} in a plain ViT of depth "
                f"{geometry.depth} and width {geometry.width}; learngenes are cut out of timm's plain "
                f"VisionTransformer alone, export that"
            )


def _of(shapes: Mapping[str, Shape], name: str, axes: int, what: str) -> Shape:
    shape = shapes.get(name)
    if shape is None or len(shape) != axes or 0 in shape:
        found = "is not in the file" if shape is None else f"has shape {shape}"
        raise InvalidValue(f"tensor {name!r} {found}; it says {what} in {axes} axes, so export the whole network")
    return shape


def _patches(shapes: Mapping[str, Shape]) -> tuple[int, int, int]:
    width, channels, high, wide = _of(shapes, "patch_embed.proj.weight", 4, "width, channels and patch")
    if high != wide:
        raise InvalidValue(f"patches are {high} x {wide} pixels in 'patch_embed.proj.weight'; they have to be square")
    return width, channels, high


def _depth(shapes: Mapping[str, Shape]) -> int:
    depth = 1 + max((int(found[1]) for name in shapes if (found := _BLOCK.match(name))), default=-1)
    if not 1 <= depth <= MAX_DEPTH:
        raise InvalidValue(f"the file has {depth} blocks; a learngene is cut out of 1 to {MAX_DEPTH}")
    return depth


def _heads(width: int, heads: int | None) -> int:
    if heads is not None:
        return heads
    if width in OTHERWISE or width % HEAD_WIDTH:
        usual = OTHERWISE.get(width)
        why = f"timm's networks of it have {usual}" if usual else f"it does not divide by {HEAD_WIDTH}"
        raise InvalidValue(f"how many heads width {width} has is not in the tensors, and {why}: say heads")
    return width // HEAD_WIDTH


def _image(shapes: Mapping[str, Shape], *, patch: int, token: bool) -> int:
    tokens = _of(shapes, "pos_embed", 3, "the image's side")[1]
    patches = tokens - token
    side = math.isqrt(max(0, patches))
    if side < 1 or side * side != patches:
        besides = " beside the class token" if token else ""
        raise InvalidValue(
            f"'pos_embed' has {tokens} positions, which is no square of patches{besides}; images have to be square "
            f"and every token has to have its position"
        )
    return side * patch


def _classes(shapes: Mapping[str, Shape]) -> int:
    if "head.weight" not in shapes:
        raise InvalidValue(
            "tensor 'head.weight' is not in the file: the network has no classifier; make it with "
            "timm.create_model(..., num_classes=N), a fresh head is enough"
        )
    return _of(shapes, "head.weight", 2, "the classes")[0]


def _mlp_ratio(shapes: Mapping[str, Shape], width: int) -> float:
    hidden = _of(shapes, "blocks.0.mlp.fc1.weight", 2, "the hidden layer's width")[0]
    ratio = hidden / width
    # Divided and multiplied again, a number may end up just below the whole one.
    return ratio if int(width * ratio) == hidden else math.nextafter(ratio, math.inf)

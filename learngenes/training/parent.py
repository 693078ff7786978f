"""The ancestor taken apart: a plain ViT of the job's geometry as numpy arrays.

What weight selection, subcloning, Vanilla-LG and condensing without images start from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import timm
import torch
from timm.models.vision_transformer import Block, VisionTransformer
from torch import nn

from learngenes.errors import InvalidValue, UnknownName
from learngenes.families.vit import TIMM_NORM_EPS, Geometry, shapes
from learngenes.job import FloatArray, Input, LearnJob, Stopped
from learngenes.training.ancestor import Ancestor
from learngenes.training.session import Session
from learngenes.training.vit import arrays


@dataclass(frozen=True, slots=True)
class Plain:
    """tensors: of families.vit.shapes(job.geometry), float32; ancestor: the network they come from, and its record.

    input: how images are prepared for them, for Learned.input.
    """

    tensors: dict[str, FloatArray]
    ancestor: Ancestor
    input: Input


def plain_ancestor(running: Session) -> Plain | Stopped:
    """The tensors of the job's ancestor, which has to be a ViT of the job's geometry; trained first if need be.

    InvalidValue when it is another network, or was trained on images of another normalisation than [data] gives.
    """
    job = running.job
    job.need_ancestor()
    made = running.ancestor()
    if isinstance(made, Stopped):
        return made
    assert made is not None
    return Plain(vit_tensors(made.model, job.geometry), made, _input(job, made))


def vit_tensors(model: nn.Module, geometry: Geometry) -> dict[str, FloatArray]:
    """Its tensors, float32, by timm's names; InvalidValue unless it is the plain ViT of the geometry."""
    named = dict(model.named_parameters()) | dict(model.named_buffers())
    found = {name: tuple(value.shape) for name, value in named.items()}
    needed = shapes(geometry)
    for name in sorted(found.keys() | needed.keys()):
        if found.get(name) != needed.get(name):
            raise InvalidValue(
                f"the ancestor is not a ViT of this geometry: tensor {name!r} has {_shape(found.get(name))} in the "
                f"ancestor and {_shape(needed.get(name))} in [geometry]; change one of them"
            )
    for what, ours, theirs in _flags(model, geometry):
        if ours != theirs:
            raise InvalidValue(
                f"the ancestor has {what} {theirs} and [geometry] says {ours}: the same tensors would be another "
                f"network; change one of them"
            )
    return arrays(named)


def heads_and_pool(architecture: str, arguments: dict[str, Any]) -> tuple[int, Literal["token", "avg"]]:
    """Of timm's network of this name, which no tensor shows; InvalidValue or UnknownName unless it is a plain ViT."""
    if not timm.is_model(architecture):
        raise UnknownName("network of timm's", architecture, timm.list_models())
    try:
        with torch.device("meta"):
            model: Any = timm.create_model(architecture, pretrained=False, **arguments)
    except (TypeError, ValueError, AssertionError) as error:
        raise InvalidValue(f"timm can't make {architecture!r} with {arguments}: {error}") from error
    if not isinstance(model, VisionTransformer) or type(model.blocks[0]) is not Block:
        raise InvalidValue(f"{architecture!r} is a {_kind(model)}; learngenes are cut out of a plain VisionTransformer")
    block: Any = model.blocks[0]
    for what, plain, have in (
        ("activation", "GELU", type(block.mlp.act).__name__),
        ("norm before the blocks", "Identity", type(model.norm_pre).__name__),
        ("norm_eps", TIMM_NORM_EPS, block.norm1.eps),
    ):
        if have != plain:
            raise InvalidValue(f"{architecture!r} has the {what} {have}, a plain ViT has {plain}")
    if (pool := model.global_pool) not in ("token", "avg"):
        raise InvalidValue(f"{architecture!r} pools by {pool!r}, a plain ViT by 'token' or 'avg'")
    return block.attn.num_heads, pool


def _flags(model: nn.Module, geometry: Geometry) -> list[tuple[str, object, object]]:
    """What tensors do not show: (what it is, in the geometry, in the ancestor)."""
    network: Any = model
    if not isinstance(model, VisionTransformer) or type(network.blocks[0]) is not Block:
        return [("the architecture", "VisionTransformer", _kind(model))]
    block = network.blocks[0]
    return [
        ("heads", geometry.heads, block.attn.num_heads),
        ("norm_eps", geometry.norm_eps, block.norm1.eps),
        ("class_token", geometry.class_token, network.cls_token is not None),
        ("pool", geometry.pool, network.global_pool),
        ("norm", geometry.norm, "after-pool" if isinstance(network.norm, nn.Identity) else "before-pool"),
        ("the activation", "GELU", type(block.mlp.act).__name__),
        ("norms before the blocks", "Identity", type(network.norm_pre).__name__),
    ]


def _kind(model: nn.Module) -> str:
    blocks: Any = getattr(model, "blocks", None)
    return f"{type(model).__name__} of {type(blocks[0]).__name__}" if blocks else type(model).__name__


def _input(job: LearnJob, made: Ancestor) -> Input:
    """Of the ancestor; with [data], what that says, once the two are known to agree on the normalisation."""
    if job.data is None:
        return made.input
    if (made.input.mean, made.input.std) != (job.data.mean, job.data.std):
        raise InvalidValue(
            f"the ancestor takes images of mean {list(made.input.mean)} and std {list(made.input.std)}, and [data] "
            f"says {list(job.data.mean)} and {list(job.data.std)}; a learngene cut out of it takes the ancestor's: "
            f"put them into data.mean and data.std"
        )
    return job.data.input


def _shape(shape: tuple[int, ...] | None) -> str:
    return "no place" if shape is None else f"shape {shape}"

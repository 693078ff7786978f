"""timm's VisionTransformer from a geometry, whole or with blocks shared by stage, and its tensors as numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import timm
import torch
from torch import nn

from learngenes.errors import BadCheckpoint, InvalidValue
from learngenes.families.vit import Geometry, block_shapes, frame_shapes, timm_architecture, timm_arguments
from learngenes.job import FloatArray


def network(geometry: Geometry, *, drop_path: float = 0.0) -> nn.Module:
    """A fresh network; drop_path grows linearly from 0 at the first block to this rate at the last."""
    model: nn.Module = timm.create_model(
        timm_architecture(geometry),
        num_classes=geometry.classes,
        drop_path_rate=drop_path,
        **timm_arguments(geometry),
    )
    return model


def auxiliary(geometry: Geometry, stages: Sequence[int], *, drop_path: float = 0.0) -> nn.Module:
    """A network of sum(stages) blocks in which all blocks of a stage are one module, and so one set of parameters.

    `parameters()` yields each shared parameter once; its gradient is the sum over the places it is used in.
    drop_path grows linearly over the stages. SWS, IJCAI 2024, section 3.2.
    """
    if geometry.depth != sum(stages):
        raise InvalidValue(
            f"depth {geometry.depth} is not the sum of the stages {', '.join(map(str, stages))}, "
            f"which is {sum(stages)}; change one of them"
        )
    model = network(replace(geometry, depth=len(stages)), drop_path=drop_path)
    kept: list[nn.Module] = list(model.blocks)  # type: ignore[arg-type]
    model.blocks = nn.Sequential(*(block for block, count in zip(kept, stages, strict=True) for _ in range(count)))
    return model


def describe_input(model: nn.Module, *, mean: Sequence[float], std: Sequence[float]) -> None:
    """Write down the normalisation of the images the model sees, where timm.task reads it."""
    described: Any = model
    described.pretrained_cfg = {**getattr(described, "pretrained_cfg", {}), "mean": tuple(mean), "std": tuple(std)}


def choose_attention(model: nn.Module, *, fused: bool) -> None:
    """Make all attention layers of a timm model use the fused kernel, or none."""
    module: Any
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = fused


def arrays(tensors: Mapping[str, torch.Tensor]) -> dict[str, FloatArray]:
    """Copies as float32 numpy arrays, under the same names."""
    return {name: value.detach().to("cpu", torch.float32).numpy().copy() for name, value in tensors.items()}


def numbered(blocks: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """`blocks.<i>.<name>` of a list of blocks, each its tensors by their names within it."""
    return {f"blocks.{i}.{name}": value for i, block in enumerate(blocks) for name, value in block.items()}


def stage_tensors(model: nn.Module, stages: Sequence[int]) -> dict[str, FloatArray]:
    """What SWS stores, float32: `stages.<m>.<tensor of a block>` and the frame by timm's own names."""
    return arrays({_stored(name, stages): value for name, value in model.named_parameters()})


def load_stage_tensors(model: nn.Module, stages: Sequence[int], tensors: Mapping[str, FloatArray]) -> None:
    """Inverse of stage_tensors; BadCheckpoint when names or shapes differ from the model's."""
    own = {_stored(name, stages): value for name, value in model.named_parameters()}
    if own.keys() != tensors.keys():
        odd = sorted(own.keys() ^ tensors.keys())
        raise BadCheckpoint(f"the tensors are not those of stages {tuple(stages)}: {odd[0]!r} is only on one side")
    with torch.no_grad():
        for name, value in own.items():
            if tuple(value.shape) != tensors[name].shape:
                raise BadCheckpoint(
                    f"tensor {name!r} has shape {tensors[name].shape}, the network needs {tuple(value.shape)}"
                )
            value.copy_(torch.tensor(tensors[name]))


def stage_shapes(geometry: Geometry, stages: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of stage_tensors, from the geometry alone."""
    block = block_shapes(geometry)
    shared = {f"stages.{m}.{name}": shape for m in range(len(stages)) for name, shape in block.items()}
    return shared | frame_shapes(geometry)


def _stored(name: str, stages: Sequence[int]) -> str:
    if not name.startswith("blocks."):
        return name
    _, index, rest = name.split(".", 2)
    first = list(accumulate(stages, initial=0))
    return f"stages.{first.index(int(index))}.{rest}"

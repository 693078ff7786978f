"""The same networks by the names of Hugging Face transformers: which class builds them, tensor names, configuration.

`ViTForImageClassification` reads the class token, `IJepaForImageClassification` averages the patch tokens and has no
class token. The names are those of the checkpoint files, which every transformers that has the class reads; release 5
calls the parameters in memory otherwise. Queries, keys and values are three tensors there, one in timm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from learngenes.errors import InvalidValue
from learngenes.families import vit
from learngenes.families.architectures import Architecture
from learngenes.families.vit import Geometry, Shape

PARTS = ("query", "key", "value")
"""What the rows of a qkv are, in order."""

_BLOCK = {
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
}
_FRAME = {
    "cls_token": "embeddings.cls_token",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "norm": "layernorm",
    "fc_norm": "layernorm",
}


@dataclass(frozen=True, slots=True)
class Named:
    """A tensor by transformers' name. timm: of the tensor it is, or part number `part` of the rows of which it is."""

    name: str
    shape: Shape
    timm: str
    part: int | None = None


def model_type(architecture: Architecture) -> Literal["vit", "ijepa"]:
    """Which of transformers' models computes this network; InvalidValue if none does."""
    way = "leave out keys: with timm's names it loads in transformers too, where timm is installed"
    if not isinstance(architecture, Geometry):
        raise InvalidValue(
            f"transformers has no class for this network of depth {architecture.depth}, no plain ViT; leave out keys"
        )
    if architecture.pool == "token":
        return "vit"
    if architecture.class_token:
        raise InvalidValue(f"transformers has no ViT that averages the patches beside a class token; {way}")
    if architecture.norm != "before-pool":
        raise InvalidValue(f"transformers averages the patches after the last norm, this network before it; {way}")
    return "ijepa"


def tensors(architecture: Architecture) -> Iterator[Named]:
    """Every tensor of the network; InvalidValue if transformers has no class for it."""
    model = model_type(architecture)
    assert isinstance(architecture, Geometry)
    for name, shape in vit.shapes(architecture).items():
        place, _, what = name.rpartition(".")
        if name.startswith("blocks."):
            _, i, module = place.split(".", 2)
            there = f"{model}.encoder.layer.{i}"
            if module != "attn.qkv":
                yield Named(f"{there}.{_BLOCK[module]}.{what}", shape, name)
                continue
            for part, called in enumerate(PARTS):
                third = (shape[0] // len(PARTS), *shape[1:])
                yield Named(f"{there}.attention.attention.{called}.{what}", third, name, part)
        elif place == "head":
            yield Named(f"classifier.{what}", shape, name)
        elif place:
            yield Named(f"{model}.{_FRAME[place]}.{what}", shape, name)
        else:
            yield Named(f"{model}.{_FRAME[name]}", shape, name)


def shapes(architecture: Architecture) -> dict[str, Shape]:
    """Shapes of every tensor of the network, by transformers' names."""
    return {tensor.name: tensor.shape for tensor in tensors(architecture)}


def config(geometry: Geometry, *, dtype: str, labels: tuple[str, ...]) -> dict[str, Any]:
    """What config.json says. dtype: F32, F16 or BF16; labels: one a class, or none."""
    model = model_type(geometry)
    names = labels or tuple(f"LABEL_{i}" for i in range(geometry.classes))
    return {
        "architectures": [{"vit": "ViTForImageClassification", "ijepa": "IJepaForImageClassification"}[model]],
        "model_type": model,
        "hidden_size": geometry.width,
        "num_hidden_layers": geometry.depth,
        "num_attention_heads": geometry.heads,
        "intermediate_size": geometry.hidden,
        "hidden_act": "gelu",
        "layer_norm_eps": geometry.norm_eps,
        "qkv_bias": geometry.qkv_bias,
        "image_size": geometry.image,
        "patch_size": geometry.patch,
        "num_channels": geometry.channels,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": 0.02,
        "torch_dtype": {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[dtype],
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
    }

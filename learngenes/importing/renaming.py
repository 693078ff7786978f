"""Checkpoints by other names than timm's, read as if they had timm's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from learngenes.errors import InvalidValue
from learngenes.families import transformers
from learngenes.families.vit import Geometry
from learngenes.importing.checkpoint import rewritten
from learngenes.tensorfile import TensorFile

TRAINING = ("ema.", "model.")
"""What stands before timm's names in the checkpoints of our own training; the average of the weights comes first."""

IGNORED = ("vit.pooler.",)
"""Tensors of transformers' files that its own classifier does not read."""

Pieces = Callable[[], Iterator[memoryview]]


def of_training(file: TensorFile, *, scratch: Path | None) -> TensorFile:
    """The network of a checkpoint that our own training wrote; the file itself if it is none."""
    prefix = next((one for one in TRAINING if any(name.startswith(one) for name in file.tensors)), None)
    if prefix is None:
        return file
    own = {name.removeprefix(prefix): [name] for name in file.tensors if name.startswith(prefix)}
    return _joined(file, own, scratch)


def of_transformers(file: TensorFile, config: dict[str, Any], *, scratch: Path | None) -> TensorFile:
    """The same network by timm's names; config: its config.json. InvalidValue names what does not fit."""
    geometry = _geometry(file, config)
    parts: dict[str, list[str]] = {}
    for tensor in transformers.tensors(geometry):
        found = file.tensors.get(tensor.name)
        if found is None or found.shape != tensor.shape:
            have = "is not in the file" if found is None else f"has shape {found.shape} in the file"
            raise InvalidValue(
                f"tensor {tensor.name!r} {have}, its config.json says {tensor.shape}; one of the two is of another "
                f"network"
            )
        parts.setdefault(tensor.timm, []).append(tensor.name)
    known = {name for names in parts.values() for name in names}
    if more := sorted(name for name in file.tensors.keys() - known if not name.startswith(IGNORED)):
        raise InvalidValue(
            f"tensor {more[0]!r} of shape {file.tensors[more[0]].shape} has no place in transformers' plain "
            f"{config['model_type']!r} network; learngenes are cut out of plain ViTs alone"
        )
    return _joined(file, parts, scratch)


def _geometry(file: TensorFile, config: dict[str, Any]) -> Geometry:
    kind = config.get("model_type")
    if kind not in ("vit", "ijepa"):
        raise InvalidValue(
            f"config.json says model_type {kind!r}; of transformers' networks 'vit' and 'ijepa' are read"
        )
    if (activation := config.get("hidden_act", "gelu")) != "gelu":
        raise InvalidValue(f"config.json says hidden_act {activation!r}; a plain ViT has 'gelu'")
    classifier = file.tensors.get("classifier.weight")
    if classifier is None:
        raise InvalidValue(
            "tensor 'classifier.weight' is not in the file: the network has no classifier; save it as "
            "AutoModelForImageClassification, a fresh head is enough"
        )
    width, hidden = _whole(config, "hidden_size"), _whole(config, "intermediate_size")
    return Geometry(
        depth=_whole(config, "num_hidden_layers"),
        width=width,
        heads=_whole(config, "num_attention_heads"),
        patch=_whole(config, "patch_size"),
        image=_whole(config, "image_size"),
        classes=classifier.shape[0],
        channels=_whole(config, "num_channels"),
        mlp_ratio=hidden / width,
        class_token=kind == "vit",
        pool="token" if kind == "vit" else "avg",
        qkv_bias=config.get("qkv_bias", True) is True,
    )


DEFAULTS = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "patch_size": 16,
    "image_size": 224,
    "num_channels": 3,
}
"""What transformers takes for what its config.json leaves out."""


def _whole(config: dict[str, Any], name: str) -> int:
    value = config.get(name, DEFAULTS[name])
    if type(value) is not int or value < 1:
        raise InvalidValue(f"config.json says {name} {str(value)[:40]}; that is a whole number of at least 1")
    return value


def _joined(file: TensorFile, parts: dict[str, list[str]], scratch: Path | None) -> TensorFile:
    """Every tensor of the rows of its parts, one after the other: their bytes are that too."""
    tensors: dict[str, tuple[str, tuple[int, ...], Pieces]] = {}
    for name, names in parts.items():
        first = file.tensors[names[0]]
        rows = sum(file.tensors[part].shape[0] for part in names) if len(names) > 1 else None
        shape = first.shape if rows is None else (rows, *first.shape[1:])
        if wrong := [part for part in names if file.tensors[part].dtype != first.dtype]:
            raise InvalidValue(f"tensor {wrong[0]!r} is {file.tensors[wrong[0]].dtype}, {names[0]!r} is {first.dtype}")
        tensors[name] = (first.dtype, shape, _pieces(file, names))
    return rewritten(tensors, scratch)


def _pieces(file: TensorFile, names: list[str]) -> Pieces:
    return lambda: (file.raw(part) for part in names)

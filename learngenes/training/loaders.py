"""A descendant as a torch module, whatever its family: from its architecture, or from config.json and its weights.

model = load_model("descendant/")   # the directory that `learngenes build` wrote
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import timm
from safetensors import SafetensorError
from torch import nn

from learngenes import config
from learngenes.errors import BadCheckpoint, InvalidValue, UnknownName
from learngenes.families.architectures import CONFIG_KEY, Architecture
from learngenes.families.mini import MiniGeometry
from learngenes.families.stitched import StitchedGeometry
from learngenes.families.vit import Geometry
from learngenes.training import mini, vit
from learngenes.training.stitched import Stitched

GEOMETRIES: dict[str, type[StitchedGeometry | MiniGeometry]] = {"stitched": StitchedGeometry, "mini": MiniGeometry}
"""What `learngenes.geometry` in a config.json describes, by `learngenes.family`."""


def network(architecture: Architecture) -> nn.Module:
    """A fresh network of any family; its parameters have the names and shapes of families.architectures.shapes."""
    match architecture:
        case Geometry():
            return vit.network(architecture)
        case StitchedGeometry():
            return Stitched(architecture)
        case MiniGeometry():
            return mini.network(architecture)


def load_model(described: Path | str | Mapping[str, Any], weights: Path | str | bytes | None = None) -> nn.Module:
    """A descendant in evaluation mode, float32.

    described: the directory of config.json and model.safetensors, or the configuration itself, as a table or a file.
    weights: the safetensors file or its bytes; may be left out for a directory that holds it.
    """
    folder = None
    if not isinstance(described, Mapping):
        path = Path(described)
        folder = path if path.is_dir() else path.parent
        described = _table(path / "config.json" if path.is_dir() else path)
    if weights is None:
        if folder is None:
            raise InvalidValue("a configuration without a directory needs its weights; say weights")
        weights = folder / "model.safetensors"
    return fill(_described(described), weights if isinstance(weights, bytes) else Path(weights)).eval()


def fill(model: nn.Module, weights: Path | bytes) -> nn.Module:
    """The model with every tensor of a safetensors file, and no other; BadCheckpoint when they do not fit."""
    where = "the weights" if isinstance(weights, bytes) else str(weights)
    try:
        state = safetensors.torch.load(weights if isinstance(weights, bytes) else weights.read_bytes())
    except (OSError, SafetensorError) as error:
        raise BadCheckpoint(f"{where} can't be read as safetensors: {error}") from error
    needed = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    for name in sorted(needed.keys() | found.keys()):
        if needed.get(name) != found.get(name):
            raise BadCheckpoint(
                f"{where}: tensor {name!r} is {found.get(name, 'missing')} in the file and "
                f"{needed.get(name, 'missing')} in the network; they belong to different descendants"
            )
    model.load_state_dict(state, strict=True)
    return model


def _table(path: Path) -> Mapping[str, Any]:
    try:
        table = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidValue(f"{path} can't be read as a configuration: {error}") from error
    if not isinstance(table, dict):
        raise InvalidValue(f"{path} is no configuration: it holds a {type(table).__name__}, not a table")
    return table


def _described(table: Mapping[str, Any]) -> nn.Module:
    """The network of a config.json: timm's own for a plain ViT, one of ours where `learngenes.family` says so."""
    own = table.get(CONFIG_KEY)
    family = own.get("family") if isinstance(own, Mapping) else None
    if family is None:
        if "architecture" not in table:
            raise InvalidValue(f"the configuration names neither an architecture nor a family under {CONFIG_KEY!r}")
        made: nn.Module = timm.create_model(
            table["architecture"], num_classes=table["num_classes"], **table["model_args"]
        )
        return made
    if family not in GEOMETRIES:
        raise UnknownName("family", family, GEOMETRIES)
    geometry = own.get("geometry") if isinstance(own, Mapping) else None
    if not isinstance(geometry, dict):
        raise InvalidValue(f"the configuration is of family {family!r} and holds no {CONFIG_KEY}.geometry")
    return network(config.parse(geometry, GEOMETRIES[family], where=f"{CONFIG_KEY}.geometry"))

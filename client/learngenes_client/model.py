"""What `fetch_model` returns. torch, timm and safetensors are imported by the methods that need them, never before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learngenes_client.errors import BadAnswer, MissingPackage, NotInTimm
from learngenes_client.models import CONFIG_FILE, Document

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Model:
    """A checkpoint on this disk. path: its model.safetensors; config.json lies beside it."""

    path: Path
    document: Document

    @property
    def config(self) -> dict[str, Any]:
        """What config.json says: architecture, num_classes, model_args, ..."""
        config = json.loads((self.path.parent / CONFIG_FILE).read_bytes())
        if not isinstance(config, dict):
            raise BadAnswer(f"{CONFIG_FILE} of descendant {self.document.id} is not an object")
        return config

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Every tensor, on the CPU, in the file's own dtype. MissingPackage without safetensors and torch."""
        try:
            from safetensors.torch import load_file
        except ModuleNotFoundError as error:
            raise _missing("state_dict()", error) from error
        tensors: dict[str, torch.Tensor] = load_file(self.path)
        return tensors

    def to_timm(self) -> torch.nn.Module:
        """The network with these weights, in evaluation mode, float32 whatever the file's dtype.

        Every tensor must find its place (`strict=True`). NotInTimm for a network that is no plain ViT, MissingPackage
        without timm.
        """
        config = self.config
        own = config.get("learngenes")
        if "architecture" not in config and isinstance(own, dict) and "family" in own:
            raise NotInTimm(
                f"descendant {self.document.id} is a network of family {own['family']!r}, which timm has no class for: "
                f"learngenes.training.loaders.load_model({str(self.path.parent)!r}) builds it"
            )
        if not isinstance(config.get("architecture"), str):
            raise BadAnswer(f"{CONFIG_FILE} of descendant {self.document.id} names no architecture")
        try:
            import timm
        except ModuleNotFoundError as error:
            raise _missing("to_timm()", error) from error
        options = dict(config.get("model_args") or {})
        if config.get("num_classes") is not None:
            options["num_classes"] = config["num_classes"]
        network: torch.nn.Module = timm.create_model(config["architecture"], pretrained=False, **options)
        network.load_state_dict(self.state_dict(), strict=True)
        return network.eval()


def _missing(what: str, error: ModuleNotFoundError) -> MissingPackage:
    package = (error.name or "").partition(".")[0]
    if package not in {"torch", "timm", "safetensors"}:
        raise error  # installed, but broken inside: its own words help more
    return MissingPackage(f"{what} needs {package}: pip install 'learngenes-client[timm]'")

"""What `fetch_model` returns. torch, timm and safetensors are imported by the methods that need them, never before."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from learngenes_client.errors import BadAnswer, MissingPackage, NotInTimm, NotInTransformers
from learngenes_client.models import CONFIG_FILE, Document

if TYPE_CHECKING:
    import torch

    from learngenes_client.onnx import OnnxFile


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
        """Every tensor, on the CPU, in the file's own dtype and by its own names.

        MissingPackage without safetensors and torch.
        """
        load_file = _imported("safetensors.torch", "state_dict()", "timm").load_file
        tensors: dict[str, torch.Tensor] = load_file(self.path)
        return tensors

    def to_timm(self) -> torch.nn.Module:
        """The network with these weights, in evaluation mode, float32 whatever the file's dtype.

        Every tensor must find its place (`strict=True`). NotInTimm for a network that is no plain ViT, or whose tensors
        have transformers' names; MissingPackage without timm.
        """
        config = self.config
        if "model_type" in config:
            raise NotInTimm(
                f"descendant {self.document.id} has the names of transformers: to_transformers() loads it, "
                f"and fetch_model(..., keys='timm') brings the same network for to_timm()"
            )
        if family := _own_family(config):
            raise NotInTimm(
                f"descendant {self.document.id} is a network of family {family!r}, which timm has no class for: "
                f"learngenes.training.loaders.load_model({str(self.path.parent)!r}) builds it"
            )
        if not isinstance(config.get("architecture"), str):
            raise BadAnswer(f"{CONFIG_FILE} of descendant {self.document.id} names no architecture")
        timm = _imported("timm", "to_timm()", "timm")
        options = dict(config.get("model_args") or {})
        if config.get("num_classes") is not None:
            options["num_classes"] = config["num_classes"]
        network: torch.nn.Module = timm.create_model(config["architecture"], pretrained=False, **options)
        network.load_state_dict(self.state_dict(), strict=True)
        return network.eval()

    def to_onnx(self, path: Path | str, *, tolerance: float = 1e-4) -> OnnxFile:
        """The network as an ONNX file of any batch size, there only if onnxruntime's logits are torch's.

        Input `images` (batch, channels, height, width), float32, prepared as the config says; output `logits`.
        tolerance: of their difference, as a part of the largest logit, or of 1. OnnxDiffers above it, InvalidArgument
        above 2 GB, MissingPackage without the extra onnx, and what to_timm() or to_transformers() raise.
        """
        from learngenes_client.onnx import export

        return export(self, Path(path), tolerance=tolerance)

    def to_transformers(self) -> torch.nn.Module:
        """transformers' network for classifying images with these weights, in evaluation mode, float32.

        Of a checkpoint with transformers' names (`fetch_model(..., keys="transformers")`) it is transformers' own
        class, otherwise its wrapper of timm. Nothing is asked of any host, and every tensor must find its place.
        NotInTransformers for a network that it has no class for, MissingPackage without transformers, and for the
        wrapper without timm.
        """
        config = self.config
        if family := _own_family(config):
            raise NotInTransformers(
                f"descendant {self.document.id} is a network of family {family!r}, which transformers has no class "
                f"for: learngenes.training.loaders.load_model({str(self.path.parent)!r}) builds it"
            )
        transformers = _imported("transformers", "to_transformers()", "transformers")
        _imported("torch", "to_transformers()", "transformers")
        if "model_type" not in config:
            _imported("timm", "to_transformers() of a checkpoint with timm's names", "timm")
        network, found = transformers.AutoModelForImageClassification.from_pretrained(
            self.path.parent, local_files_only=True, output_loading_info=True
        )
        astray = [name for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") for name in found[kind]]
        if astray:
            raise BadAnswer(f"descendant {self.document.id} and its {CONFIG_FILE} differ in tensor {astray[0]!r}")
        loaded: torch.nn.Module = network.float().eval()
        return loaded


def _own_family(config: dict[str, Any]) -> str | None:
    """The family of a network that only our own loader builds."""
    own = config.get("learngenes")
    if {"architecture", "model_type"} & config.keys() or not isinstance(own, dict) or "family" not in own:
        return None
    return str(own["family"])


def _imported(module: str, what: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in {"torch", "timm", "safetensors", "transformers"}:
            raise  # installed, but broken inside: its own words help more
        raise MissingPackage(f"{what} needs {package}: pip install 'learngenes-client[{extra}]'") from error

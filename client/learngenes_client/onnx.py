"""A descendant as an ONNX file, compared with torch before it is kept.

torch, onnx and onnxruntime are imported by `export`, never before.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from learngenes_client.errors import InvalidArgument, MissingPackage, OnnxDiffers

if TYPE_CHECKING:
    import torch

    from learngenes_client.model import Model

OPSET = 20
TOLERANCE = 1e-4
BATCHES = (1, 3)
"""Sizes at which both are asked: the file has to take more than the one it was made with."""

MOST_BYTES = 2_000_000_000
"""An ONNX file is one protocol buffer, which holds 2 GiB."""


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """An exported file. largest_difference: of onnxruntime's logits to torch's, whose largest is largest_logit."""

    path: Path
    bytes: int
    opset: int
    largest_difference: float
    largest_logit: float


def export(model: Model, path: Path, *, tolerance: float = TOLERANCE) -> OnnxFile:
    """Write the network to `path`, which is there whole or not at all.

    Input `images` (batch, channels, height, width), prepared as the config says; output `logits` (batch, classes); both
    float32, the batch of any size. The file's metadata name the descendant and hold its config.
    OnnxDiffers if a logit is further from torch's than `tolerance` times the largest one (or 1, if that is larger);
    InvalidArgument above 2 GB, MissingPackage without the extra onnx, and whatever loading the network raises.
    """
    torch, onnx = _imported("torch"), _imported("onnx")
    _imported("onnxscript")
    runtime = _imported("onnxruntime")
    config = model.config
    network = _network(model, config)
    size = sum(4 * tensor.numel() for tensor in network.parameters())
    if size > MOST_BYTES:
        raise InvalidArgument(f"an ONNX file holds {MOST_BYTES:,} bytes at most, and this network has {size:,}")
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(max(BATCHES), *_input(config), generator=draw)
    with _beside(path) as part:
        with torch.inference_mode():
            torch.onnx.export(
                network,
                (images[:2],),
                part,
                dynamo=True,
                opset_version=OPSET,
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                external_data=False,
                verbose=False,
            )
            wanted = network(images)
        _describe(onnx, part, model, config)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = runtime.InferenceSession(part, options, providers=["CPUExecutionProvider"])
        differences = []
        for count in BATCHES:
            (found,) = session.run(["logits"], {"images": images[:count].numpy()})
            differences.append((torch.from_numpy(found) - wanted[:count]).abs().max())
        difference = float(torch.stack(differences).max())  # NaN if there is one
        largest = float(wanted.abs().max())
        if not difference <= tolerance * max(1.0, largest):
            raise OnnxDiffers(
                f"onnxruntime's logits of descendant {model.document.id} are up to {difference:.1e} from torch's, "
                f"which are up to {largest:.1e}: more than a tolerance of {tolerance:g} allows"
            )
        part.replace(path)
    return OnnxFile(path, path.stat().st_size, OPSET, difference, largest)


def _network(model: Model, config: dict[str, Any]) -> torch.nn.Module:
    """Images in, logits out, whichever library loads it."""
    if "model_type" not in config:
        return model.to_timm()
    network = model.to_transformers()

    class Logits(_imported("torch.nn").Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.network(images, return_dict=False)[0]
            return logits

    whole: torch.nn.Module = Logits().eval()
    return whole


def _input(config: dict[str, Any]) -> tuple[int, int, int]:
    """Channels, height and width of the images of a timm or transformers config."""
    if "model_type" in config:
        return int(config["num_channels"]), int(config["image_size"]), int(config["image_size"])
    channels, height, width = config["pretrained_cfg"]["input_size"]
    return int(channels), int(height), int(width)


def _describe(onnx: ModuleType, path: Path, model: Model, config: dict[str, Any]) -> None:
    """Write into the file what it is, after ONNX's own checker has seen it."""
    proto = onnx.load(path)
    onnx.checker.check_model(proto)
    proto.producer_name = "learngenes"
    about = {"learngenes.id": model.document.id, "learngenes.learngene": model.document.learngene}
    onnx.helper.set_model_props(proto, about | {"config": json.dumps(config)})
    onnx.save(proto, path)


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A name beside `path`, gone afterwards unless it was moved."""
    if not path.parent.is_dir():
        raise InvalidArgument(f"the ONNX file goes into a folder that exists, got {str(path)!r}")
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        yield Path(folder) / "part.onnx"


def _imported(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in {"torch", "onnx", "onnxscript", "onnxruntime"}:
            raise  # installed, but broken inside: its own words help more
        raise MissingPackage(f"to_onnx() needs {package}: pip install 'learngenes-client[onnx]'") from error

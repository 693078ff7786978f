"""The state of an optimisation as one safetensors file: no pickle, written whole or not at all.

Tensors `model.<name>`, `ema.<name>` and `optimizer.<index>.<key>` (index in the order of the parameter groups);
the header's `__metadata__` holds one JSON text: format, step, seconds, accuracy, images, and the identity of the job.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from learngenes.errors import BadCheckpoint

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """step: number of steps done; seconds: spent in them; correct of n: the last accuracy, n = 0 before the first.

    images: shown in these steps, each time counted.
    """

    step: int = 0
    seconds: float = 0.0
    correct: int = 0
    n: int = 0
    images: int = 0


def save(
    path: Path,
    progress: Progress,
    *,
    identity: dict[str, Any],
    model: nn.Module,
    ema: nn.Module | None,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the state; a reader sees the old file or the new one."""
    tensors = {f"model.{name}": value for name, value in _values(model)}
    if ema is not None:
        tensors |= {f"ema.{name}": value for name, value in _values(ema)}
    for index, parameter in enumerate(_parameters(optimizer)):
        tensors |= {f"optimizer.{index}.{key}": value for key, value in optimizer.state[parameter].items()}
    header = {"format": FORMAT, "progress": asdict(progress), "identity": identity}
    part = path.with_name(path.name + ".part")
    held = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(held, part, metadata={"learngenes": json.dumps(header)})
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def load(
    path: Path,
    *,
    identity: dict[str, Any],
    model: nn.Module,
    ema: nn.Module | None,
    optimizer: torch.optim.Optimizer,
) -> Progress:
    """Put the state back and say how far it was; BadCheckpoint names what differs from the job that wrote it."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("learngenes", "null"))
            if not isinstance(header, dict) or header.get("format") != FORMAT:
                raise BadCheckpoint(f"{path} is not a checkpoint of this version; start in an empty run directory")
            _compare(header["identity"], identity, path)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, BadCheckpoint):
            raise
        raise BadCheckpoint(f"the checkpoint {path} can't be read: {error}; start in an empty run directory") from error
    places = {f"model.{name}": value for name, value in _values(model)}
    if ema is not None:
        places |= {f"ema.{name}": value for name, value in _values(ema)}
    found = {name for name in tensors if not name.startswith("optimizer.")}
    if found != places.keys():
        odd = min(found ^ places.keys())
        raise BadCheckpoint(f"{path}: tensor {odd!r} is only in one of checkpoint and network; start anew")
    with torch.no_grad():
        for name, place in places.items():
            place.copy_(tensors[name])
    for index, parameter in enumerate(_parameters(optimizer)):
        prefix = f"optimizer.{index}."
        state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        optimizer.state[parameter] = {key: _as_state(key, value, parameter) for key, value in state.items()}
    return Progress(**header["progress"])


def progress(path: Path) -> Progress:
    """How far the training of a checkpoint is; BadCheckpoint if this is none."""
    try:
        with safe_open(path, framework="pt") as file:
            return Progress(**json.loads((file.metadata() or {})["learngenes"])["progress"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise BadCheckpoint(f"the checkpoint {path} can't be read: {error}") from error


def _compare(theirs: dict[str, Any], ours: dict[str, Any], path: Path) -> None:
    """BadCheckpoint on the first difference between two identities."""
    for key in sorted(theirs.keys() | ours.keys()):
        before, now = theirs.get(key), ours.get(key)
        if before != now:
            raise BadCheckpoint(
                f"{path} belongs to another job: {key} was {before!r} and is now {now!r}; "
                f"put it back, or start in an empty run directory"
            )


def _values(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters, each shared one once, and buffers."""
    yield from model.named_parameters()
    yield from model.named_buffers()


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _as_state(key: str, value: Tensor, parameter: Tensor) -> Tensor:
    """A state tensor with the memory layout and device that the optimizer itself would give it."""
    if key == "step":
        return value.to(parameter.device)
    return torch.empty_like(parameter).copy_(value)

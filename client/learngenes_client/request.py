"""What can be asked for: one descendant, or the best ones within a budget. None leaves the choice to the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from learngenes_client.errors import InvalidArgument


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which descendant.

    num_classes: another number than the learngene's gets a fresh head; labels: class names, whose rows of the head are
    taken over where the learngene knows them. img_size, patch_size: pixels a side; in_chans: channels of an image;
    pool: "token" or "avg", what the head sees. dtype: "f32", "f16" or "bf16"; keys: "timm"
    or "transformers", whose tensor names.
    order: a named order of stages, or stage indices; strategy: how layers are dealt to stages; layers: the stage of
    every block, said outright. seed: of all fresh and drawn values.
    options: further options of the learngene's method by name, see `Client.methods`.
    """

    depth: int | None = None
    width: int | None = None
    learngene: str | None = None
    method: str | None = None
    num_classes: int | None = None
    labels: Sequence[str] | None = None
    img_size: int | None = None
    patch_size: int | None = None
    in_chans: int | None = None
    pool: str | None = None
    dtype: str | None = None
    keys: str | None = None
    order: str | Sequence[int] | None = None
    strategy: str | None = None
    layers: Sequence[int] | None = None
    seed: int | None = None
    options: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in ("labels", "layers"):
            if isinstance(getattr(self, name), str):
                raise InvalidArgument(f"{name} is a list, got {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a descendant may cost, at least one limit; whose measurements rank; and what to choose from.

    max_bytes: of the checkpoint in dtype; max_macs: multiply-adds of one image. epochs_after: of training after
    initialization, 0 is untuned. limit: how many candidates are listed.
    """

    max_params: int | None = None
    max_macs: int | None = None
    max_bytes: int | None = None
    max_latency_ms: float | None = None
    dataset: str | None = None
    epochs_after: int | None = None
    learngene: str | None = None
    method: str | None = None
    dtype: str | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if (self.max_params, self.max_macs, self.max_bytes, self.max_latency_ms) == (None, None, None, None):
            raise InvalidArgument("a budget has a limit: max_params, max_macs, max_bytes or max_latency_ms")

"""How images are prepared for a learngene, and what its descendants are asked to be for a set of images. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from learngenes import config
from learngenes.gene import Manifest
from learngenes.job_options import DataOptions, first_of


def data_options(manifest: Manifest, *, train: str, test: str, changes: dict[str, Any] | None = None) -> DataOptions:
    """Images as the learngene takes them; where nothing is cropped they are resized straight to its side.

    changes: fields of DataOptions that are to be otherwise, as in a TOML table.
    """
    known = manifest.normalization
    table = {
        "train": train,
        "test": test,
        "mean": known.mean,
        "std": known.std,
        "augment": "light" if known.crop_pct == 1.0 else "timm",
        "crop_pct": known.crop_pct,
        "interpolation": known.interpolation,
    }
    return config.parse(table | (changes or {}), DataOptions, where="[data]")


def head_for(manifest: Manifest, classes: Sequence[str]) -> dict[str, Any]:
    """What to ask of a descendant that tells these classes apart, as arguments of Request.

    Nothing for the learngene's own classes. Of others the head knows those of the same name; its other rows are fresh.
    """
    if manifest.labels:
        return {} if tuple(classes) == manifest.labels else {"labels": tuple(classes)}
    return {} if len(classes) == manifest.geometry.classes else {"num_classes": len(classes)}


def called(source: str) -> tuple[str, str]:
    """Data set and split: digits, test of `digits:test`; cifar100, test of `parquet:cifar100/test.parquet`."""
    whole, count = first_of(source)
    kind, _, place = whole.partition(":")
    dataset, split = (kind, place) if kind == "digits" else (Path(place).parent.name or kind, Path(place).stem)
    return dataset, split if count is None else f"{split}[:{count}]"

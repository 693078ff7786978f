"""Measuring descendants: each is built from its recipe, loaded strictly into timm and shown every test image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from learngenes.gene import Manifest, Quality
from learngenes.initialize import Request, initialize
from learngenes.job import DataOptions
from learngenes.recipe import Recipe
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile
from learngenes.training.augment import Normalise, TestBatches
from learngenes.training.data import ImageSet
from learngenes.training.evaluate import accuracy
from learngenes.training.vit import choose_attention, network


def measure(
    manifest: Manifest,
    tensors: TensorFile,
    *,
    depths: Iterable[int],
    images: ImageSet,
    source: str,
    command: str,
    precision: str = "float32",
    options: DataOptions | None = None,
) -> Iterator[Quality]:
    """Top-1 accuracy (0..1) of the untuned descendant at each depth, one at a time.

    source: the spec the images were opened by, such as `parquet:cifar100/test.parquet`; command: for the record.
    options: how images are prepared, if not as the manifest says.
    """
    geometry = manifest.geometry
    options = options or data_options(manifest, source)
    dataset, split = _called(source)
    batches = TestBatches(images, options=options, geometry=geometry)
    for depth in depths:
        recipe = initialize(manifest, Request(depth=depth))
        model = load(recipe, tensors)
        correct, n = accuracy(
            model, (batches[i] for i in range(len(batches))), normalise=Normalise(options), precision=precision
        )
        yield Quality(
            depth=depth,
            width=geometry.width,
            dataset=dataset,
            split=split,
            metric="top1",
            value=correct / n,
            n=n,
            epochs_after=0,
            seed=manifest.training.get("seed", 0),
            command=command,
        )


def load(recipe: Recipe, tensors: TensorFile) -> nn.Module:
    """The descendant as a timm model in evaluation mode, from the very bytes that would be served."""
    state = safetensors.torch.load(b"".join(stream(assemble(recipe, tensors))))
    model = network(recipe.geometry)
    model.load_state_dict({name: tensor.to(torch.float32) for name, tensor in state.items()}, strict=True)
    choose_attention(model, fused=False)
    return model.eval()


def _called(source: str) -> tuple[str, str]:
    """Data set and split: `digits:test` is digits, test; `parquet:cifar100/test.parquet` is cifar100, test."""
    kind, _, place = source.partition(":")
    return (kind, place) if kind == "digits" else (Path(place).parent.name or kind, Path(place).stem)


def data_options(manifest: Manifest, source: str) -> DataOptions:
    """How a learngene's images are prepared: resized straight to its side where nothing is cropped."""
    normalization = manifest.normalization
    return DataOptions(
        train=source,
        test=source,
        mean=normalization.mean,
        std=normalization.std,
        augment="light" if normalization.crop_pct == 1.0 else "none",
        crop_pct=normalization.crop_pct,
        interpolation=normalization.interpolation,
    )

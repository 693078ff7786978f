"""Measuring descendants: each is built from its recipe, loaded strictly into timm and shown every test image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from torch import nn

from learngenes import preparation
from learngenes.budget.curves import TOP1
from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest, Quality
from learngenes.initialize import Request, initialize
from learngenes.job import DataOptions
from learngenes.recipe import Recipe
from learngenes.stream import assemble, stream
from learngenes.tensorfile import Tensors
from learngenes.training import loaders, vit
from learngenes.training.augment import Normalise, TestBatches
from learngenes.training.data import ImageSet
from learngenes.training.evaluate import accuracy
from learngenes.training.vit import choose_attention


def measure(
    manifest: Manifest,
    tensors: Tensors,
    *,
    depths: Iterable[int],
    images: ImageSet,
    source: str,
    command: str,
    widths: Sequence[int] = (),
    precision: str = "float32",
    options: DataOptions | None = None,
) -> Iterator[Quality]:
    """Top-1 accuracy (0..1) of the untuned descendant at each depth and width, one at a time, deepest last.

    source: the spec the images were opened by, such as `parquet:cifar100/test.parquet`; command: for the record.
    widths: the learngene's own without any. options: how images are prepared, if not as the manifest says.
    """
    geometry = manifest.geometry
    options = options or data_options(manifest, source)
    dataset, split = preparation.called(source)
    head = preparation.head_for(manifest, images.classes)
    batches = TestBatches(images, options=options, geometry=geometry)
    for depth in depths:
        for width in widths or (manifest.space.width.nearest(geometry.width),):
            model = load(initialize(manifest, Request(depth=depth, width=width, **head)), tensors)
            correct, n = accuracy(
                model, (batches[i] for i in range(len(batches))), normalise=Normalise(options), precision=precision
            )
            yield Quality(
                depth=depth,
                width=width,
                dataset=dataset,
                split=split,
                metric=TOP1,
                value=correct / n,
                n=n,
                epochs_after=0,
                seed=manifest.training.get("seed", 0),
                command=command,
            )


def load(recipe: Recipe, tensors: Tensors, *, drop_path: float = 0.0) -> nn.Module:
    """The descendant as a torch module in evaluation mode, from the very bytes that would be served.

    drop_path: for training it, of plain ViTs only.
    """
    geometry = recipe.geometry
    if not drop_path:
        empty = loaders.network(geometry)
    elif isinstance(geometry, Geometry):
        empty = vit.network(geometry, drop_path=drop_path)
    else:
        raise InvalidValue(f"a network of family {recipe.family!r} trains without drop_path, got {drop_path}")
    model = loaders.fill(empty, b"".join(stream(assemble(recipe, tensors))))
    choose_attention(model, fused=False)
    return model.eval()


def data_options(manifest: Manifest, source: str) -> DataOptions:
    """How a learngene's test images are prepared."""
    options = preparation.data_options(manifest, train=source, test=source)
    return options if options.augment == "light" else replace(options, augment="none")

"""Tiny learngenes in milliseconds: numpy alone, nothing downloaded, the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from learngenes import gene, tensorfile
from learngenes.catalog import Catalog
from learngenes.families import vit
from learngenes.gene import Manifest, Normalization
from learngenes.store import Store
from learngenes.store.memory import MemoryStore
from learngenes.tensorfile import TensorFile
from learngenes.zoo import METHODS


def learngene(
    *,
    stages: tuple[int, ...] = (2, 2, 2),
    width: int = 32,
    heads: int = 2,
    image: int = 8,
    patch: int = 4,
    classes: int = 10,
    class_token: bool = False,
    pool: Literal["token", "avg"] = "avg",
    norm: Literal["before-pool", "after-pool"] = "before-pool",
    dtype: str = "F32",
    name: str = "tiny",
    version: int = 1,
    labels: tuple[str, ...] = (),
    seed: int = 0,
) -> tuple[Manifest, bytes]:
    """The manifest of an SWS learngene and the bytes of its safetensors file.

    stages: layers of each stage in the auxiliary network; the other arguments are those of vit.Geometry.
    """
    geometry = vit.Geometry(
        sum(stages), width, heads, patch, image, classes, class_token=class_token, pool=pool, norm=norm
    )
    shapes = vit.frame_shapes(geometry) | {
        f"stages.{stage}.{tensor}": shape
        for stage in range(len(stages))
        for tensor, shape in vit.block_shapes(geometry).items()
    }
    draw = np.random.default_rng(seed)
    values = {tensor: draw.normal(0.0, 0.1, shapes[tensor]).astype(np.float32) for tensor in sorted(shapes)}
    raw = b"".join(tensorfile.write(values, dtype))
    manifest = Manifest(
        name=name,
        version=version,
        method="sws",
        method_version=METHODS["sws"].version,
        family="vit",
        geometry=geometry,
        space=METHODS["sws"].space(geometry, {}),
        varies=METHODS["sws"].varies,
        method_facts={"stages": list(stages)},
        weights=gene.weigh(TensorFile(raw)),
        normalization=Normalization(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        labels=labels,
    )
    return manifest, raw


def catalog(variants: Path | None, *learngenes: tuple[Manifest, bytes], store: Store | None = None) -> Catalog:
    """A catalog with these learngenes published, in memory unless a store is given.

    variants: an empty directory, such as pytest's tmp_path, for learngenes converted to another dtype; None is memory.
    """
    made = Catalog(MemoryStore() if store is None else store, variants=variants)
    for manifest, raw in learngenes:
        made.publish(manifest, [raw])
    return made


def mutations(document: Any, junk: list[Any]) -> Iterator[Any]:
    """Every JSON document that is one change away: a value replaced by a piece of junk, or an entry left out."""
    yield from (piece for piece in junk if not (type(piece) is type(document) and piece == document))
    if isinstance(document, dict):
        for key, value in document.items():
            yield {other: document[other] for other in document if other != key}
            yield from (document | {key: changed} for changed in mutations(value, junk))
    if isinstance(document, list):
        for at, value in enumerate(document):
            yield document[:at] + document[at + 1 :]
            yield from ([*document[:at], changed, *document[at + 1 :]] for changed in mutations(value, junk))

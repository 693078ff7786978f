"""What is streamed: two learngenes of random weights in a store, and a descendant of each, for the others as a file."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from learngenes import gene, initialize, stream, tensorfile
from learngenes.catalog import Catalog
from learngenes.families import vit
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest, Normalization
from learngenes.sizes import SizeSpace, Steps
from learngenes.store.local import LocalStore
from learngenes.tensorfile import TensorFile

STAGES = (3, 3, 4, 3, 3)


@dataclass(frozen=True, slots=True)
class Subject:
    """A descendant to stream. id: its digest; file: the very bytes of its stream; label: its size for people."""

    label: str
    learngene: str
    depth: int
    id: str
    file: Path
    size: int
    sha256: str

    @property
    def body(self) -> bytes:
        """The request for it."""
        return json.dumps({"learngene": self.learngene, "depth": self.depth}).encode()

    @property
    def path(self) -> str:
        """Where the service has it under its id."""
        return f"/v1/descendants/{self.id}/model.safetensors"

    def other_layers(self, number: int) -> bytes:
        """A request for a descendant of the same bytes that nobody asked for before: its layers in another order."""
        draw = np.random.default_rng(number)
        layers = [int(stage) for stage in draw.integers(len(STAGES), size=self.depth)]
        return json.dumps({"learngene": self.learngene, "depth": self.depth, "layers": layers}).encode()


def make(data: Path, files: Path) -> tuple[Subject, Subject]:
    """The 67 MB and the 346 MB descendant: learngenes published in `data`, whole files in `files`."""
    catalog = Catalog(LocalStore(data / "store"), variants=data / "variants")
    return (
        _make(catalog, files, depth=9, width=384, heads=6),
        _make(catalog, files, depth=12, width=768, heads=12),
    )


def reread(folder: Path) -> None:
    """Evict every file from the page cache and read it in order.

    sendfile's speed depends on how pages came into the cache: right after writing the same bytes vary threefold.
    """
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb", buffering=0) as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while file.read(1 << 20):
                pass


def _make(catalog: Catalog, files: Path, *, depth: int, width: int, heads: int) -> Subject:
    name = f"random-{width}"
    geometry = Geometry(sum(STAGES), width, heads, patch=16, image=224, classes=1000, class_token=True, pool="token")
    manifest = _publish(catalog, name, geometry)
    recipe = initialize.initialize(manifest, initialize.Request(depth=depth))
    virtual = stream.assemble(recipe, catalog.open(manifest))
    path = files / f"{name}.safetensors"
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for piece in stream.stream(virtual):
            digest.update(piece)
            file.write(piece)
    return Subject(
        label=f"{virtual.size / 1e6:.0f} MB",
        learngene=name,
        depth=depth,
        id=virtual.id,
        file=path,
        size=virtual.size,
        sha256=digest.hexdigest(),
    )


def _publish(catalog: Catalog, name: str, geometry: Geometry) -> Manifest:
    shapes = vit.frame_shapes(geometry) | {
        f"stages.{stage}.{tensor}": shape
        for stage in range(len(STAGES))
        for tensor, shape in vit.block_shapes(geometry).items()
    }
    draw = np.random.default_rng(geometry.width)
    values = {tensor: draw.standard_normal(shape, dtype=np.float32) for tensor, shape in sorted(shapes.items())}
    raw = b"".join(tensorfile.write(values, "F32"))
    manifest = Manifest(
        name=name,
        version=1,
        method="sws",
        method_version=1,
        family="vit",
        geometry=geometry,
        space=SizeSpace(depth=Steps(1, 512), width=Steps(geometry.width, geometry.width)),
        varies=("depth", "num_classes", "dtype"),
        method_facts={"stages": list(STAGES)},
        weights=gene.weigh(TensorFile(raw)),
        normalization=Normalization(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        description="Random weights, for measuring how fast they are sent.",
    )
    catalog.publish(manifest, [raw])
    return manifest

"""Learngenes on their way between stores: a folder of three files.

learngene.safetensors    the stored file
manifest.json            gene.to_json
README.md                the model card
"""

from __future__ import annotations

from pathlib import Path

from learngenes import gene
from learngenes.card import learngene_card
from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue
from learngenes.gene import Manifest
from learngenes.signing import CARD, MANIFEST, WEIGHTS
from learngenes.tensorfile import TensorFile


def write(catalog: Catalog, manifest: Manifest, folder: Path) -> tuple[Path, ...]:
    """The learngene's files in a folder, made if need be; each is whole or not there."""
    folder.mkdir(parents=True, exist_ok=True)
    contents: dict[str, bytes | memoryview] = {
        WEIGHTS: catalog.open(manifest).view,
        CARD: learngene_card(manifest),
        MANIFEST: gene.to_json(manifest),
    }
    for name, raw in contents.items():
        part = folder / f"{name}.part"
        part.write_bytes(raw)
        part.replace(folder / name)
    return tuple(folder / name for name in contents)


def read(folder: Path) -> tuple[Manifest, TensorFile]:
    """The learngene of such a folder, every byte of it checked; BadManifest, BadTensorFile or CorruptLearngene."""
    try:
        manifest = gene.from_json((folder / MANIFEST).read_bytes())
        file = TensorFile.open(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise InvalidValue(
            f"{folder} holds no {Path(str(error.filename)).name}: an exported learngene is {WEIGHTS} and {MANIFEST}"
        ) from None
    gene.verify(manifest, file)
    return manifest, file

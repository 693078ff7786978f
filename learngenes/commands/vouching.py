"""`learngenes sign` and `learngenes verify`: of an exported folder, or of a learngene in its store."""

from __future__ import annotations

import argparse
from pathlib import Path

from learngenes import gene, signing
from learngenes.arguments import add_learngene
from learngenes.commands.asking import learngene, learngenes
from learngenes.errors import InvalidValue
from learngenes.importing import exported
from learngenes.signing import SIGNATURE
from learngenes.tensorfile import TensorFile


def signing_arguments(command: argparse.ArgumentParser) -> None:
    """What is signed, and by which key."""
    _what(command)
    command.add_argument("--key", type=Path, required=True, metavar="PEM", help="private elliptic-curve key")


def verifying_arguments(command: argparse.ArgumentParser) -> None:
    """What is verified, and by whose key."""
    _what(command)
    command.add_argument("--key", type=Path, metavar="PEM", help="public key of who signed; without one, digests alone")


def sign(chosen: argparse.Namespace) -> int:
    """Sign a learngene, manifest and file, in the OpenSSF Model Signing format; the signature is kept beside it."""
    folder = Path(chosen.learngene)
    if folder.is_dir():
        exported.read(folder)
        signing.sign(folder, key=chosen.key)
        print(f"signed {folder}: {folder / SIGNATURE}")
        return 0
    _need_store(chosen)
    catalog, manifest = learngene(chosen)
    with signing.laid_out(manifest, catalog.open(manifest)) as folder:
        raw = signing.sign(folder, key=chosen.key)
    signing.keep(catalog.store, manifest, raw)
    print(f"signed {manifest.reference} in {chosen.store}: {len(raw)} bytes")
    return 0


def verify(chosen: argparse.Namespace) -> int:
    """Check every byte of a learngene against its manifest and, with a key, both against who signed them."""
    folder = Path(chosen.learngene)
    if folder.is_dir():
        if chosen.key is not None:
            signing.verify(folder, key=chosen.key)
        manifest, _ = exported.read(folder)
    else:
        catalog = learngenes(chosen)
        manifest = catalog.get(chosen.learngene, yanked=True)
        file = TensorFile(catalog.store.open(f"blobs/sha256/{manifest.weights.sha256}"))
        if chosen.key is not None:
            raw = signing.read(catalog.store, manifest)
            with signing.laid_out(manifest, file, signature=raw) as folder:
                signing.verify(folder, key=chosen.key)
        gene.verify(manifest, file)
    weights = manifest.weights
    said = f"{manifest.reference}: {weights.bytes} bytes in {len(weights.tensors)} tensors are those of the manifest"
    if chosen.key is None:
        print(f"{said}; who made it was not checked, for that give --key")
    else:
        print(f"{said}, and both were signed by {chosen.key.name}")
    return 0


def _what(command: argparse.ArgumentParser) -> None:
    add_learngene(command)
    command.epilog = "LEARNGENE may also be a folder that `learngenes export` wrote."


def _need_store(chosen: argparse.Namespace) -> None:
    if chosen.store is None:
        raise InvalidValue(
            f"{chosen.learngene!r} is no folder; to sign a learngene of a store, say which store: --store"
        )

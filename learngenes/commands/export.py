"""`learngenes export`."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from learngenes import signing
from learngenes.arguments import add_learngene
from learngenes.commands.asking import learngene
from learngenes.errors import NotSigned
from learngenes.importing import exported


def arguments(command: argparse.ArgumentParser) -> None:
    """Which learngene, and where its files go."""
    add_learngene(command)
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the files go")


def run(chosen: argparse.Namespace) -> int:
    """Write a learngene's files: learngene.safetensors, manifest.json, README.md, and model.sig if it is signed."""
    catalog, manifest = learngene(chosen)
    paths = list(exported.write(catalog, manifest, chosen.out))
    with contextlib.suppress(NotSigned):
        path = chosen.out / signing.SIGNATURE
        path.write_bytes(signing.read(catalog.store, manifest))
        paths.append(path)
    for path in paths:
        print(f"{path}: {path.stat().st_size} bytes")
    return 0

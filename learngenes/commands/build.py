"""`learngenes build`."""

from __future__ import annotations

import argparse
from pathlib import Path

from learngenes.commands import asking
from learngenes.descendant import files
from learngenes.stream import stream


def arguments(command: argparse.ArgumentParser) -> None:
    """The words of a request, and where the files go."""
    asking.arguments(command)
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the files go")


def run(chosen: argparse.Namespace) -> int:
    """Write a descendant's files: the very bytes that the service streams."""
    made, manifest, catalog = asking.recipe(chosen)
    file = catalog.assemble(made, manifest)
    chosen.out.mkdir(parents=True, exist_ok=True)
    part = chosen.out / "model.safetensors.part"
    with part.open("wb") as out:
        out.writelines(stream(file))
    part.replace(chosen.out / "model.safetensors")
    for name, raw in files(made, manifest, id=file.id).items():
        (chosen.out / name).write_bytes(raw)
    print(f"{chosen.out / 'model.safetensors'}: {file.size} bytes, descendant {file.id}")
    return 0

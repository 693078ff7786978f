"""Builds a descendant's file on this machine: the one module that imports the library, when it is called.

The learngene's own bytes go from its map to the file, a tensor that occurs again is copied from where it already lies,
and only what is left is computed: a deep network is mostly copies. `same` compares a file with what its recipe makes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learngenes_client.errors import CantBuild
from learngenes_client.progress import Progress

if TYPE_CHECKING:
    from learngenes.recipe import Recipe
    from learngenes.stream import VirtualFile

PIECE_BYTES = 8 << 20
"""At most so much is written before it is said how far it is."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe that this library can follow. learngene: `name@version`, manifest: the sha256 of its manifest."""

    learngene: str
    manifest: str
    recipe: Any


@dataclass(frozen=True, slots=True)
class Weights:
    """What a manifest says of its learngene's file; parent: reference and digest of the learngene it completes."""

    bytes: int
    sha256: str
    parent: tuple[str, str] | None


def read_recipe(raw: bytes) -> Plan:
    """The plan; CantBuild if this library is too old or too new for it."""
    from learngenes.errors import LearngenesError
    from learngenes.formulas import VERSION
    from learngenes.recipe import digest, from_json

    try:
        recipe = from_json(raw)
    except LearngenesError as error:
        raise CantBuild(f"the learngenes installed here can't read the recipe: {error}") from error
    if recipe.formulas != VERSION:
        raise CantBuild(f"the recipe needs formulas {recipe.formulas}, the learngenes installed here has {VERSION}")
    if digest(recipe) != hashlib.sha256(raw).hexdigest():
        raise CantBuild("the learngenes installed here writes the recipe in another way, so it may read it in another")
    return Plan(recipe.learngene, recipe.manifest, recipe)


def read_manifest(raw: bytes) -> Weights:
    """What is needed of a manifest; CantBuild if this library can't read it."""
    from learngenes.errors import LearngenesError
    from learngenes.gene import from_json

    try:
        manifest = from_json(raw)
    except LearngenesError as error:
        raise CantBuild(f"the learngenes installed here can't read the manifest: {error}") from error
    parent = None if manifest.parent is None else (manifest.parent.learngene, manifest.parent.manifest)
    return Weights(manifest.weights.bytes, manifest.weights.sha256, parent)


def build(plan: Plan, learngenes: tuple[Path, ...], part: int, *, size: int, progress: Progress) -> None:
    """Fill the empty file with the descendant; it need not be on the disk yet when this returns.

    learngenes: files of the learngene and of those that it completes, in that order. part: the file's descriptor, to
    read and write. size: that was promised. CantBuild if they do not make that.
    """
    from learngenes.tensorfile import FileMap, TensorFile

    virtual = _assembled(plan, learngenes)
    if virtual.size != size:
        raise CantBuild(f"the recipe makes {virtual.size} bytes where the service promises {size}")
    out = os.dup(part)  # ours, with its lock, whatever becomes of the caller's
    try:
        _reserve(out, size)
        _write(virtual, out, progress)
        TensorFile(FileMap(out))  # read as strictly as any: header, every offset, length
    finally:
        os.close(out)


def same(plan: Plan, learngenes: tuple[Path, ...], path: Path) -> bool:
    """Whether every byte of the file is what the recipe makes."""
    from learngenes.stream import stream

    virtual = _assembled(plan, learngenes)
    with path.open("rb") as file:
        return all(file.read(len(piece)) == piece for piece in stream(virtual)) and not file.read(1)


def _assembled(plan: Plan, learngenes: tuple[Path, ...]) -> VirtualFile:
    from learngenes.errors import LearngenesError
    from learngenes.stream import assemble
    from learngenes.tensorfile import TensorFile, TensorFiles

    recipe: Recipe = plan.recipe
    try:
        files = tuple(TensorFile.open(path) for path in learngenes)
        return assemble(recipe, files[0] if len(files) == 1 else TensorFiles(files))
    except LearngenesError as error:
        raise CantBuild(f"{plan.learngene} does not fit its recipe: {error}") from error


def _write(virtual: VirtualFile, out: int, progress: Progress) -> None:
    """Stored bytes go from file to file inside the system; so does a tensor that occurs again, from where it lies."""
    from learngenes.recipe import Entry
    from learngenes.stream import Span, cut, parts, view

    lies: dict[str, int] = {}
    at = 0
    for segment, first, last in parts(virtual):
        source: tuple[int, int] | None = None
        if isinstance(segment, Span) and segment.file.file is not None:
            source = segment.file.file.fileno(), segment.start + first
        elif isinstance(segment, Entry):
            earlier = lies.setdefault(f"{segment.source!r} {segment.shape}", at)
            source = None if earlier == at else (out, earlier)
        done = 0 if source is None else _copy(*source, out, at, last - first)
        for piece in cut(view(virtual, segment), first + done, last, PIECE_BYTES) if first + done < last else ():
            _put(piece, out, at + done)
            done += len(piece)
            progress(at + done, virtual.size)
        at += last - first
        progress(at, virtual.size)


def _copy(source: int, start: int, out: int, at: int, count: int) -> int:
    """Copy between open files without taking the bytes into this process; how many were, fewer if it can't be done."""
    done = 0
    while done < count:
        try:
            copied = os.copy_file_range(source, out, count - done, start + done, at + done)
        except (OSError, AttributeError):  # other file systems, other systems
            break
        if not copied:
            break
        done += copied
    return done


def _reserve(out: int, size: int) -> None:
    """Give the file its length, and its room where that can be had."""
    os.truncate(out, size)
    with contextlib.suppress(OSError, AttributeError):
        os.posix_fallocate(out, 0, size)


def _put(piece: memoryview, out: int, at: int) -> None:
    while piece:
        count = os.pwrite(out, piece, at)
        piece, at = piece[count:], at + count

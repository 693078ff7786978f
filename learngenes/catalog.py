"""The learngenes of a store: published whole, found by name, opened verified, converted once.

blobs/sha256/<hex>                  safetensors files, named by their digest
learngenes/<name>/<version>.json    manifests, written last: what is listed is whole
recipes/<id>                        recipes of descendants that were asked for (JSON, zlib)
digests/<id>                        sha256 of their files, once somebody wanted to know
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from learngenes import gene, header, recipe, tensorfile
from learngenes.errors import BadManifest, BlobExists, BlobNotFound, CorruptLearngene, LearngeneNotFound
from learngenes.formulas import VERSION
from learngenes.gene import Manifest
from learngenes.recipe import Recipe
from learngenes.sizes import Size
from learngenes.store import Store, check_name
from learngenes.store.local import LocalStore
from learngenes.store.memory import MemoryStore
from learngenes.stream import VirtualFile, assemble
from learngenes.tensorfile import Buffer, TensorFile, TensorFiles, Tensors

STARTER = Path(__file__).parent / "starter"
"""The store that ships with the library: the starter learngene."""


class Catalog:
    """All learngenes of one store. Opened files are kept open: they are maps, shared by every reader.

    variants: a directory for learngenes converted to another dtype, by digest; may be emptied at any time. Without
    one they are converted in memory.
    """

    def __init__(self, store: Store, *, variants: Path | None = None) -> None:
        self.store = store
        self._variants: Store = LocalStore(variants) if variants else MemoryStore()
        self._opened: dict[tuple[str, str], TensorFile] = {}
        self._manifests: dict[str, Manifest] = {}
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)

    def names(self) -> list[str]:
        """Names of all learngenes, sorted."""
        return sorted({key.split("/")[1] for key in self.store.keys("learngenes")})

    def versions(self, name: str) -> list[int]:
        """Versions of a learngene, oldest first; empty if there is none of that name."""
        keys = self.store.keys(f"learngenes/{check_name(name)}")
        versions = (key.rsplit("/", 1)[1].removesuffix(".json") for key in keys)
        return sorted(int(version) for version in versions if version.isdecimal())

    def get(self, reference: str) -> Manifest:
        """The manifest of `name` (its newest version) or `name@version`; LearngeneNotFound if there is none."""
        name, _, version = reference.partition("@")
        if not version:
            versions = self.versions(name)
            version = str(versions[-1]) if versions else ""
        key = f"learngenes/{check_name(name)}/{version}.json"
        if not (version.isascii() and version.isdigit()):
            raise LearngeneNotFound(reference, self.names())
        if key not in self._manifests:
            try:
                self._manifests[key] = gene.from_json(self.store.read(key))
            except BlobNotFound:
                raise LearngeneNotFound(reference, self.names()) from None
            if (found := self._manifests[key].reference) != f"{name}@{version}":
                raise CorruptLearngene(f"the manifest under {key!r} calls itself {found!r}")
        return self._manifests[key]

    def open(self, manifest: Manifest, dtype: str | None = None) -> TensorFile:
        """The learngene's tensors, in its stored dtype or converted to another; CorruptLearngene if not as promised.

        The first opening reads and checks every byte; the first conversion writes a file once.
        """
        key = (manifest.weights.sha256, dtype or manifest.dtype)
        if key not in self._opened:
            with self._locks[key]:  # of this file alone: opening one learngene does not hold up another
                if key not in self._opened:
                    own = key[1] == manifest.dtype
                    self._opened[key] = self._verified(manifest) if own else self._converted(manifest, key[1])
        return self._opened[key]

    def tensors(self, manifest: Manifest, dtype: str | None = None) -> Tensors:
        """All that a recipe of this learngene may read: its own tensors, and behind them its parent's."""
        own = self.open(manifest, dtype)
        parent = self.parent_of(manifest)
        return own if parent is None else TensorFiles((own, self.open(parent, dtype)))

    def assemble(self, recipe: Recipe, manifest: Manifest) -> VirtualFile:
        """The descendant's file: formulas read what is stored, stored tensors go out in the recipe's dtype."""
        return assemble(recipe, self.tensors(manifest), converted=self.tensors(manifest, recipe.dtype))

    def parent_of(self, manifest: Manifest) -> Manifest | None:
        """The learngene this one completes, if any; CorruptLearngene if that is not the one it was fitted to."""
        if manifest.parent is None:
            return None
        parent = self.get(manifest.parent.learngene)
        if gene.digest(parent) != manifest.parent.manifest:
            raise CorruptLearngene(
                f"learngene {manifest.reference} was fitted to manifest {manifest.parent.manifest[:12]} of "
                f"{parent.reference}, this catalog has {gene.digest(parent)[:12]}"
            )
        return parent

    def fitted(self, manifest: Manifest, size: Size) -> Manifest | None:
        """The newest learngene that was fitted to this size of this one, if there is any."""
        name = gene.fitted_name(manifest.name, size)
        for version in reversed(self.versions(name)):
            child = self.get(f"{name}@{version}")
            if self.completes(child, manifest):
                return child
        return None

    def completes(self, child: Manifest, manifest: Manifest) -> bool:
        """Whether child was fitted to a size of this learngene, or of a version that differs in measurements alone."""
        if child.parent is None or child.parent.learngene.partition("@")[0] != manifest.name:
            return False
        if child.parent == gene.Parent(manifest.reference, gene.digest(manifest)):
            return True
        try:
            parent = self.parent_of(child)
        except (LearngeneNotFound, CorruptLearngene):
            return False
        return parent is not None and gene.unmeasured(parent) == gene.unmeasured(manifest)

    def publish(self, manifest: Manifest, pieces: Iterable[bytes | memoryview]) -> None:
        """Keep a learngene: its file first, its manifest last. The same again is no error, another under its name is.

        pieces: the safetensors file, whose sha256 the manifest states.
        """
        with contextlib.suppress(BlobExists):
            self.store.create(_blob(manifest.weights.sha256), _checked(pieces, manifest))
        self.open(manifest)
        key = f"learngenes/{manifest.name}/{manifest.version}.json"
        raw = gene.to_json(manifest)
        try:
            self.store.create(key, [raw])
        except BlobExists:
            if self.store.read(key) != raw:
                raise

    def copy_from(self, other: Catalog) -> list[str]:
        """Publish here whatever the other catalog holds and this one lacks; returns what both have, but differently."""
        conflicts = []
        for name in other.names():
            for version in other.versions(name):
                manifest = other.get(f"{name}@{version}")
                if version not in self.versions(name):
                    self.publish(manifest, [other.open(manifest).view])
                elif gene.digest(self.get(manifest.reference)) != gene.digest(manifest):
                    conflicts.append(manifest.reference)
        return conflicts

    def keep(self, wanted: Recipe) -> str:
        """Remember a recipe under its digest, which is returned."""
        raw = recipe.to_json(wanted)
        name = hashlib.sha256(raw).hexdigest()
        with contextlib.suppress(BlobExists):
            self.store.create(f"recipes/{name}", [zlib.compress(raw)])
        return name

    def recall(self, digest: str) -> Recipe:
        """The recipe kept under a digest; BlobNotFound if there is none."""
        return recipe.from_json(zlib.decompress(self.store.read(f"recipes/{digest}")))

    def manifest_of(self, wanted: Recipe) -> Manifest:
        """The manifest a recipe was made from; CorruptLearngene if that version now says something else."""
        manifest = self.get(wanted.learngene)
        if gene.digest(manifest) != wanted.manifest:
            raise CorruptLearngene(
                f"the recipe was made from manifest {wanted.manifest[:12]} of {wanted.learngene}, "
                f"this catalog has {gene.digest(manifest)[:12]}"
            )
        return manifest

    def _verified(self, manifest: Manifest) -> TensorFile:
        tensors = TensorFile(self.store.open(_blob(manifest.weights.sha256)))
        gene.verify(manifest, tensors)
        return tensors

    def _converted(self, manifest: Manifest, dtype: str) -> TensorFile:
        """The learngene in another dtype; what an earlier process left is compared with what it should be."""
        header.item_bytes(dtype)
        stored = self.open(manifest)
        key = f"{manifest.weights.sha256}-{dtype.lower()}-{VERSION}"
        try:
            self._variants.create(key, tensorfile.convert(stored, dtype))
        except BlobExists:
            if not _equal(self._variants.open(key), tensorfile.convert(stored, dtype)):
                self._variants.delete(key)
                self._variants.create(key, tensorfile.convert(stored, dtype))
        return TensorFile(self._variants.open(key))


def starter() -> Catalog:
    """The learngenes that ship with the library."""
    return Catalog(LocalStore(STARTER))


def _blob(sha256: str) -> str:
    return f"blobs/sha256/{sha256}"


def _equal(buffer: Buffer, pieces: Iterable[bytes | memoryview]) -> bool:
    """Whether the buffer is the joined pieces."""
    view, position = memoryview(buffer), 0
    for piece in pieces:
        if view[position : position + len(piece)] != piece:
            return False
        position += len(piece)
    return position == len(view)


def _checked(pieces: Iterable[bytes | memoryview], manifest: Manifest) -> Iterator[bytes | memoryview]:
    """The pieces, and an error instead of an end if they are not the file the manifest promises."""
    sha256, size = hashlib.sha256(), 0
    for piece in pieces:
        sha256.update(piece)
        size += len(piece)
        yield piece
    if (sha256.hexdigest(), size) != (manifest.weights.sha256, manifest.weights.bytes):
        raise BadManifest(
            f"the file has sha256 {sha256.hexdigest()[:12]} and {size} bytes, "
            f"the manifest says {manifest.weights.sha256[:12]} and {manifest.weights.bytes}"
        )

"""The learngenes of a store: published whole, found by name, opened verified, converted once.

blobs/sha256/<hex>                  safetensors files, named by their digest
learngenes/<name>/<version>.json    manifests, written last: what is listed is whole
aliases/<name>/<alias>/<n>          the version that an alias points to; the highest n counts
private/<name>                      a mark: this learngene is not for everybody
yanked/<name>/<version>/<n>         a version that was taken back, and why; the highest n counts
signatures/<name>/<version>/<n>     who vouches for it (OpenSSF Model Signing); the highest n counts
recipes/<id>                        recipes of descendants that were asked for (JSON, zlib)
digests/<id>                        sha256 of their files, once somebody wanted to know
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from learngenes import aliases, gene, kept, marks
from learngenes.errors import BlobExists, BlobNotFound, CorruptLearngene, LearngeneNotFound, Yanked
from learngenes.gene import Manifest
from learngenes.opened import VARIANTS_BYTES, Files, blob_of
from learngenes.recent import Recent
from learngenes.recipe import Recipe
from learngenes.sizes import Size
from learngenes.store import Store, check_name
from learngenes.store.local import LocalStore
from learngenes.stream import VirtualFile, assemble
from learngenes.tensorfile import TensorFile, TensorFiles, Tensors
from learngenes.yanks import Yanks

STARTER = Path(__file__).parent / "starter"
"""The store that ships with the library: the starter learngenes."""

KEPT_MANIFESTS = 1000


class Catalog:
    """All learngenes of one store. Files opened of late are kept open: they are maps, shared by every reader.

    variants: a directory for learngenes converted to another dtype, by digest; may be emptied at any time. Without
    one they are converted in memory. variants_bytes: what it may hold, the longest unused leaving first. open_bytes:
    what the files that are kept open may have together; one that left stays valid for those who read it.
    fresh_seconds: for so long it is remembered which versions were taken back elsewhere.
    """

    def __init__(
        self,
        store: Store,
        *,
        variants: Path | None = None,
        variants_bytes: int = VARIANTS_BYTES,
        open_bytes: float = math.inf,
        fresh_seconds: float = 0.0,
    ) -> None:
        self.store = store
        self.yanks = Yanks(store, fresh_seconds=fresh_seconds)
        self._files = Files(store, variants=variants, variants_bytes=variants_bytes, open_bytes=open_bytes)
        self._manifests: Recent[str, Manifest] = Recent(KEPT_MANIFESTS, weight=KEPT_MANIFESTS)

    def names(self) -> list[str]:
        """Names of all learngenes, sorted."""
        return sorted(self.newest())

    def newest(self) -> dict[str, int]:
        """The newest version of every learngene, by one look at the store."""
        found: dict[str, int] = {}
        for key in self.store.keys("learngenes"):
            name, version = key.split("/")[1], key.rsplit("/", 1)[1].removesuffix(".json")
            found[name] = max(int(version) if version.isdecimal() else 0, found.get(name, 0))
        return found

    def versions(self, name: str) -> list[int]:
        """Versions of a learngene, oldest first; empty if there is none of that name."""
        keys = self.store.keys(f"learngenes/{check_name(name)}")
        versions = (key.rsplit("/", 1)[1].removesuffix(".json") for key in keys)
        return sorted(int(version) for version in versions if version.isdecimal())

    def get(self, reference: str, *, yanked: bool = False) -> Manifest:
        """The manifest of `name` (its newest version), `name@version` or `name@alias`; LearngeneNotFound if none is.

        A name alone passes over versions that were taken back, and raises Yanked if there is no other, unless `yanked`
        may be had. Who names a version gets it: `refuse_yanked` is for those who build or send it.
        """
        name, _, version = reference.partition("@")
        if not version:
            version = self._newest_standing(name, yanked=yanked)
        elif aliases.is_alias(version):
            version = str(aliases.find(self.store, name, version) or "")
        key = f"learngenes/{check_name(name)}/{version}.json"
        if not (version.isascii() and version.isdigit()):
            raise self._not_found(reference)
        manifest = self._manifests.get(key)
        if manifest is None:
            try:
                manifest = gene.from_json(self.store.read(key))
            except BlobNotFound:
                raise self._not_found(reference) from None
            if manifest.reference != f"{name}@{version}":
                raise CorruptLearngene(f"the manifest under {key!r} calls itself {manifest.reference!r}")
            self._manifests.put(key, manifest)
        return manifest

    def _not_found(self, reference: str) -> LearngeneNotFound:
        names, name = self.names(), reference.partition("@")[0]
        return LearngeneNotFound(reference, names, versions=self.versions(name) if name in names else ())

    def offered(self) -> list[Manifest]:
        """What every name stands for, by name; without those of which all versions were taken back."""
        found = []
        for name in self.names():
            with contextlib.suppress(Yanked):
                found.append(self.get(name))
        return found

    def yank(self, reference: str, reason: str) -> None:
        """Take `name@version` back, for a reason that callers are told; LearngeneNotFound if there is none such."""
        self.yanks.put(self.get(reference).reference, reason, at=datetime.now(UTC))

    def unyank(self, reference: str) -> None:
        """Put `name@version` back; LearngeneNotFound if there is none such."""
        self.yanks.drop(self.get(reference).reference)

    def refuse_yanked(self, manifest: Manifest) -> None:
        """Yanked, with the reason, if this version was taken back, or the one that it completes."""
        for reference in _needed(manifest):
            self.yanks.refuse(reference)

    def stands(self, manifest: Manifest) -> bool | None:
        """Whether neither was taken back, without asking the store; None if that takes it."""
        known = [self.yanks.known(reference) for reference in _needed(manifest)]
        return None if None in known else not any(known)

    def aliases(self, name: str) -> dict[str, int]:
        """The version that every alias of a learngene points to."""
        return aliases.read(self.store, name)

    def move_alias(self, name: str, alias: str, version: int) -> None:
        """Let `name@alias` be this version from now on; LearngeneNotFound if there is none such."""
        aliases.move(self.store, name, alias, self.get(f"{name}@{version}").version)

    def private(self) -> frozenset[str]:
        """Names that are marked private, whether there is a learngene of that name or not."""
        return marks.read(self.store)

    def is_private(self, name: str) -> bool:
        """Whether a name is marked private, there or not."""
        return marks.has(self.store, name)

    def set_private(self, name: str, private: bool) -> None:
        """Mark a name private, best before its learngene is published, or take the mark away."""
        marks.put(self.store, name, private)

    def open(self, manifest: Manifest, dtype: str | None = None) -> TensorFile:
        """The learngene's tensors, in its stored dtype or converted to another; CorruptLearngene if not as promised.

        The first opening reads and checks every byte; the first conversion writes a file once.
        """
        return self._files.open(manifest, dtype or manifest.dtype)

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
        if parent.digest != manifest.parent.manifest:
            raise CorruptLearngene(
                f"learngene {manifest.reference} was fitted to manifest {manifest.parent.manifest[:12]} of "
                f"{parent.reference}, this catalog has {parent.digest[:12]}"
            )
        return parent

    def fitted(self, manifest: Manifest, size: Size) -> Manifest | None:
        """The newest learngene that was fitted to this size of this one and was not taken back, if there is any."""
        return self.completing(gene.fitted_name(manifest.name, size), manifest)

    def completing(self, name: str, manifest: Manifest) -> Manifest | None:
        """The newest version of this name that completes the learngene and was not taken back, if there is any."""
        for version in reversed(self.versions(name)):
            child = self.get(f"{name}@{version}")
            if self.completes(child, manifest) and not self.yanks.has(child.reference):
                return child
        return None

    def completes(self, child: Manifest, manifest: Manifest) -> bool:
        """Whether child was fitted to a size of this learngene, or of a version that differs in measurements alone."""
        if child.parent is None or child.parent.learngene.partition("@")[0] != manifest.name:
            return False
        if child.parent == gene.Parent(manifest.reference, manifest.digest):
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
            self.store.create(blob_of(manifest), gene.checked(pieces, manifest))
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
            here = self.versions(name)
            for version in other.versions(name):
                reference = f"{name}@{version}"
                if version not in here:
                    manifest = other.get(reference)
                    self.publish(manifest, [other.open(manifest).view])
                elif self._raw(name, version) != other._raw(name, version):
                    conflicts.append(reference)
        return conflicts

    def keep(self, wanted: Recipe) -> str:
        """Remember a recipe under its digest, which is returned."""
        return kept.keep(self.store, wanted)

    def recall(self, digest: str) -> Recipe:
        """The recipe kept under a digest; BlobNotFound if there is none."""
        return kept.recall(self.store, digest)

    def manifest_of(self, wanted: Recipe) -> Manifest:
        """The manifest a recipe was made from; CorruptLearngene if that version now says something else."""
        manifest = self.get(wanted.learngene)
        if manifest.digest != wanted.manifest:
            raise CorruptLearngene(
                f"the recipe was made from manifest {wanted.manifest[:12]} of {wanted.learngene}, "
                f"this catalog has {manifest.digest[:12]}"
            )
        return manifest

    def _raw(self, name: str, version: int) -> bytes:
        """A manifest as it lies in the store. Equal manifests are written alike."""
        return self.store.read(f"learngenes/{name}/{version}.json")

    def _newest_standing(self, name: str, *, yanked: bool) -> str:
        """The version that a name alone stands for, as a text; empty if there is none of that name."""
        versions = self.versions(name)
        standing = [version for version in versions if not self.yanks.has(f"{name}@{version}")]
        if versions and not standing and not yanked:
            self.yanks.refuse(f"{name}@{versions[-1]}")
        return str((standing or versions)[-1]) if versions else ""


def _needed(manifest: Manifest) -> tuple[str, ...]:
    """The versions without which this one is nothing."""
    return (manifest.reference,) if manifest.parent is None else (manifest.reference, manifest.parent.learngene)


def starter() -> Catalog:
    """The learngenes that ship with the library."""
    return Catalog(LocalStore(STARTER))

"""Where things are kept on this disk.

    <root>/CACHEDIR.TAG
    <root>/descendants/<id>/{model.safetensors,config.json,document.json,...}
    <root>/learngenes/<sha256 of the manifest>/{learngene.safetensors,manifest.json}
    <root>/refs/<sha256 of the request>.json      which id a service answered to a request

A file under its own name is whole and was checked; what is still arriving ends in `.part`. What was used last is what
has the newest document.json or manifest.json.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from learngenes_client.cache.files import holds, jot, part_of, try_lock, write_whole
from learngenes_client.errors import BadAnswer, InvalidArgument
from learngenes_client.models import CONFIG_FILE, MODEL_FILE, PREPROCESSOR_FILE, Document, document_from, is_sha256

VARIABLE = "LEARNGENES_CACHE"
DOCUMENT_FILE = "document.json"
LEARNGENE_FILE = "learngene.safetensors"
MANIFEST_FILE = "manifest.json"

TAG = """Signature: 8a477f597d28d172789f06886806bc55
# Descendants fetched by learngenes-client; all of it can be fetched again.
# Backup programs may leave this folder out: https://bford.info/cachedir/
"""


def cache_root(argument: Path | str | None, environment: Mapping[str, str]) -> Path:
    """The argument, else LEARNGENES_CACHE, else the place this system keeps caches; absolute."""
    named = argument or environment.get(VARIABLE) or platformdirs.user_cache_dir("learngenes")
    return Path(named).expanduser().absolute()


@dataclass(frozen=True, slots=True)
class Ref:
    """What a service answered to a request: a descendant's id, and the learngene it is of, `name@version`."""

    id: str
    learngene: str


@dataclass(frozen=True, slots=True)
class Cache:
    """One folder of descendants and learngenes. Nothing is made before the first of them is opened."""

    root: Path

    def folder(self, id: str) -> Path:
        """Where a descendant lies or would lie. InvalidArgument unless id is 64 lower-case hex digits."""
        if not is_sha256(id):
            raise InvalidArgument(f"a descendant's id is 64 lower-case hex digits, got {id!r}")
        return self.root / "descendants" / id

    def open(self, document: Document) -> Path:
        """The descendant's folder, made if need be, with its document written anew.

        A sha256 that an earlier document of it knew and this one does not is kept; IntegrityError if it knew another
        of what the id decides. A small file that the service writes in another way by now is removed, to come again.
        """
        folder = self.folder(document.id)
        self._make(folder)
        known = self.document(document.id)
        if known is not None:
            known.must_agree(document)
            for file in document.files:
                earlier = known.file(file.name).sha256 if known.offers(file.name) else None
                if file.sha256 is None:
                    document = document.with_sha256(file.name, earlier)
                elif earlier not in (None, file.sha256):
                    (folder / file.name).unlink(missing_ok=True)
        jot(folder / DOCUMENT_FILE, json.dumps(document.raw).encode())
        return folder

    def document(self, id: str) -> Document | None:
        """The document of a descendant, if one was kept and can be read."""
        try:
            document = document_from(json.loads((self.folder(id) / DOCUMENT_FILE).read_bytes()))
        except (OSError, ValueError, RecursionError, AttributeError, BadAnswer):
            return None
        return document if document.id == id else None

    def whole(self, id: str) -> Document | None:
        """The document of a descendant of which every file is here that its loading needs; it counts as used now."""
        document = self.document(id)
        if document is None or not all(document.offers(name) for name in (CONFIG_FILE, MODEL_FILE)):
            return None
        if not self.has(document):
            return None
        touch(self.folder(id) / DOCUMENT_FILE)
        return document

    def has(self, document: Document) -> bool:
        """Whether every file of it is here that its loading needs."""
        folder = self.folder(document.id)
        return all(holds(folder / file.name, file) for file in document.files if file.name in LOADED)

    def learngene(self, digest: str) -> Path:
        """Where a learngene lies or would lie, by the sha256 of its manifest; InvalidArgument for what is none."""
        if not is_sha256(digest):
            raise InvalidArgument(f"a manifest's digest is 64 lower-case hex digits, got {digest!r}")
        return self.root / "learngenes" / digest

    def open_learngene(self, digest: str, manifest: bytes) -> Path:
        """A learngene's folder, made if need be, with its manifest, whose sha256 the caller has checked."""
        folder = self.learngene(digest)
        self._make(folder)
        jot(folder / MANIFEST_FILE, manifest)
        return folder

    def refer(self, address: str, body: Mapping[str, Any], document: Document) -> None:
        """Remember which descendant this service answered to a request."""
        path = self._ref(address, body)
        self._make(path.parent)
        said = {"service": address, "request": body, "id": document.id, "learngene": document.learngene}
        jot(path, json.dumps(said).encode())

    def referred(self, address: str, body: Mapping[str, Any]) -> Ref | None:
        """What this service answered to the same request before, if that was remembered."""
        try:
            said = json.loads(self._ref(address, body).read_bytes())
            ref = Ref(str(said["id"]), str(said["learngene"]))
        except (OSError, ValueError, RecursionError, TypeError, KeyError):
            return None
        return ref if is_sha256(ref.id) else None

    def _ref(self, address: str, body: Mapping[str, Any]) -> Path:
        asked = json.dumps([address, body], sort_keys=True, separators=(",", ":"))
        return self.root / "refs" / f"{hashlib.sha256(asked.encode()).hexdigest()}.json"

    def _make(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        tag = self.root / "CACHEDIR.TAG"
        if not tag.exists():
            write_whole(tag, TAG.encode())


LOADED = (CONFIG_FILE, PREPROCESSOR_FILE, MODEL_FILE)
"""Files that a descendant is loaded from; the others tell about it."""


def touch(path: Path) -> None:
    """The file counts as used now, if this disk can be written to."""
    with suppress(OSError):
        os.utime(path)


@contextmanager
def alone_at(folder: Path) -> Iterator[bool]:
    """Whether nobody else brings the folder's file or builds from it; then nobody does until this ends."""
    part = part_of(folder / (MODEL_FILE if folder.parent.name == "descendants" else LEARNGENE_FILE))
    with ExitStack() as locks:
        alone = True
        for path, create in ((part, True), (folder / MANIFEST_FILE, False)):
            with suppress(FileNotFoundError):
                held = try_lock(path, create=create)
                alone = alone and held is not None
                if held is not None:
                    locks.enter_context(held)
        yield alone and folder.exists()
        with suppress(FileNotFoundError):
            if alone and not part.stat().st_size:
                part.unlink()

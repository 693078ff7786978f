"""Where descendants are kept on this disk.

    <root>/CACHEDIR.TAG
    <root>/descendants/<id>/{model.safetensors,config.json,document.json}

A file under its own name is whole and was checked; what is still arriving ends in `.part`.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from learngenes_client.errors import InvalidArgument
from learngenes_client.models import Document, RemoteFile, is_sha256

VARIABLE = "LEARNGENES_CACHE"
DOCUMENT_FILE = "document.json"

TAG = """Signature: 8a477f597d28d172789f06886806bc55
# Descendants fetched by learngenes-client; all of it can be fetched again.
# Backup programs may leave this folder out: https://bford.info/cachedir/
"""


def cache_root(argument: Path | str | None, environment: Mapping[str, str]) -> Path:
    """The argument, else LEARNGENES_CACHE, else the place this system keeps caches; absolute."""
    named = argument or environment.get(VARIABLE) or platformdirs.user_cache_dir("learngenes")
    return Path(named).expanduser().absolute()


@dataclass(frozen=True, slots=True)
class Cache:
    """One folder of descendants. Nothing is made before the first `open`."""

    root: Path

    def folder(self, id: str) -> Path:
        """Where a descendant lies or would lie. InvalidArgument unless id is 64 lower-case hex digits."""
        if not is_sha256(id):
            raise InvalidArgument(f"a descendant's id is 64 lower-case hex digits, got {id!r}")
        return self.root / "descendants" / id

    def open(self, document: Document) -> Path:
        """The descendant's folder, made if need be, with its document written anew."""
        folder = self.folder(document.id)
        folder.mkdir(parents=True, exist_ok=True)
        tag = self.root / "CACHEDIR.TAG"
        if not tag.exists():
            write_whole(tag, TAG.encode())
        write_whole(folder / DOCUMENT_FILE, json.dumps(document.raw, indent=1).encode())
        return folder


def holds(path: Path, file: RemoteFile) -> bool:
    """Whether path is that file, whole. Its digest was checked before it got its name: the length tells."""
    return path.is_file() and path.stat().st_size == file.bytes


def write_whole(path: Path, content: bytes) -> None:
    """The file appears under its name with all of content, or not at all."""
    with _appearing(path) as beside:
        beside.write_bytes(content)


def copy_whole(source: Path, path: Path) -> None:
    """A copy appears under path whole, or not at all.

    A copy and not a hard link: editing the named file must not change the cache.
    """
    with _appearing(path) as beside:
        shutil.copyfile(source, beside)


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)

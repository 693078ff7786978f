"""What is in a cache: listed, verified against its digests, pruned."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from learngenes_client.cache import Cache
from learngenes_client.cache.files import PART, sha256_of
from learngenes_client.cache.places import DOCUMENT_FILE, LEARNGENE_FILE, MANIFEST_FILE, alone_at
from learngenes_client.errors import InvalidArgument
from learngenes_client.flows import local
from learngenes_client.models import MODEL_FILE, is_sha256

REMOVING = ".removing-"
LEFT_SECONDS = 3600
"""What a process that was killed left half written is not touched before."""


class Kind(StrEnum):
    """What is kept."""

    DESCENDANT = "descendant"
    LEARNGENE = "learngene"


class State(StrEnum):
    """What was found of a file; UNKNOWN where no digest says what it should be."""

    WHOLE = "whole"
    DAMAGED = "damaged"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Kept:
    """One descendant or learngene in a cache.

    id: of the descendant, or the digest of the learngene's manifest; name: what it
    is, for people; bytes: on this disk, with what is still arriving; used: when last, seconds since 1970.
    """

    kind: Kind
    id: str
    name: str
    bytes: int
    used: float
    path: Path


@dataclass(frozen=True, slots=True)
class Finding:
    """What verify found of one file. removed: it was damaged and is gone."""

    path: Path
    state: State
    reason: str = ""
    removed: bool = False


def ls(cache: Cache) -> tuple[Kept, ...]:
    """Everything in the cache, used last first."""
    found = [_kept(cache, kind, path) for kind, path in _folders(cache)]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: -one.used))


def verify(cache: Cache, *, fix: bool = False) -> tuple[Finding, ...]:
    """Every file read and compared with the digest it was kept under. fix: what is damaged is removed.

    What was built here and has none is compared with what its recipe makes, if its learngene is here and whole. What is
    still arriving is left alone: it is checked when it is whole. Nor is anything removed that another process is at, or
    has mended meanwhile.
    """
    findings: list[Finding] = []
    for kind, path in _folders(cache):
        found = list(_verify(cache, kind, path))
        if fix and any(finding.state is State.DAMAGED for finding in found):
            found = _fix(cache, kind, path, found)
        findings += found
    return tuple(findings)


def prune(
    cache: Cache,
    *,
    unused_seconds: float | None = None,
    max_bytes: int | None = None,
    everything: bool = False,
    now: float | None = None,
) -> tuple[Kept, ...]:
    """Remove what was not used for so long, then what was used longest ago until max_bytes are left; or everything.

    What another process is fetching just now stays. Returns what was removed; InvalidArgument if nothing is to go.
    """
    if unused_seconds is None and max_bytes is None and not everything:
        raise InvalidArgument("prune by unused_seconds, by max_bytes, or everything")
    left = list(ls(cache))
    total = sum(one.bytes for one in left)
    before = (time.time() if now is None else now) - (unused_seconds or 0)
    removed = []
    for one in reversed(left):  # used longest ago first
        old = unused_seconds is not None and one.used < before
        if not (everything or old or (max_bytes is not None and total > max_bytes)):
            continue
        if _remove(one.path):
            removed.append(one)
            total -= one.bytes
    _forget_refs(cache)
    return tuple(removed)


def _folders(cache: Cache) -> Iterator[tuple[Kind, Path]]:
    for kind, below in ((Kind.DESCENDANT, "descendants"), (Kind.LEARNGENE, "learngenes")):
        root = cache.root / below
        for path in sorted(root.iterdir()) if root.is_dir() else ():
            if path.is_dir() and is_sha256(path.name):
                yield kind, path
            elif path.name.startswith(REMOVING):
                shutil.rmtree(path, ignore_errors=True)  # of a process that was killed at it


def _kept(cache: Cache, kind: Kind, path: Path) -> Kept | None:
    try:
        files = [file.stat() for file in path.iterdir() if file.is_file()]
        marker = path / (DOCUMENT_FILE if kind is Kind.DESCENDANT else MANIFEST_FILE)
        used = marker.stat().st_mtime if marker.exists() else path.stat().st_mtime
    except FileNotFoundError:
        return None  # pruned by another just now
    return Kept(kind, path.name, _name(cache, kind, path), sum(file.st_size for file in files), used, path)


def _name(cache: Cache, kind: Kind, path: Path) -> str:
    if kind is Kind.DESCENDANT:
        document = cache.document(path.name)
        if document is None:
            return "?"
        return f"{document.learngene} depth {document.depth} width {document.width} {document.dtype}"
    try:
        manifest = json.loads((path / MANIFEST_FILE).read_bytes())
        return f"{manifest['name']}@{manifest['version']}"
    except (OSError, ValueError, RecursionError, TypeError, KeyError):
        return "?"


def _verify(cache: Cache, kind: Kind, path: Path) -> Iterator[Finding]:
    if kind is Kind.DESCENDANT:
        document = cache.document(path.name)
        if document is None:
            yield Finding(path / DOCUMENT_FILE, State.DAMAGED, "it is no document of this descendant")
            return
        for file in document.files:
            for finding in _compare(path / file.name, file.bytes, file.sha256):
                unknown = finding.state is State.UNKNOWN and file.name == MODEL_FILE
                yield _rebuilt(cache, finding) if unknown else finding
        return
    yield from (manifest := list(_compare(path / MANIFEST_FILE, None, path.name)))
    if not manifest:
        yield Finding(path / MANIFEST_FILE, State.DAMAGED, "it is missing")
    elif manifest[0].state is State.WHOLE:
        try:
            weights = json.loads((path / MANIFEST_FILE).read_bytes())["weights"]
            size, sha256 = int(weights["bytes"]), str(weights["sha256"])
        except (OSError, ValueError, RecursionError, TypeError, KeyError):
            yield Finding(path / MANIFEST_FILE, State.DAMAGED, "it is no manifest")
            return
        yield from _compare(path / LEARNGENE_FILE, size, sha256)


def _rebuilt(cache: Cache, finding: Finding) -> Finding:
    """What was built here and nobody hashed: compared with what its recipe makes once more, if it can be made."""
    match local.is_what_its_recipe_makes(cache, finding.path.parent.name):
        case True:
            return Finding(finding.path, State.WHOLE)
        case False:
            return Finding(finding.path, State.DAMAGED, "it is not what its recipe makes")
    return finding


def _compare(path: Path, size: int | None, sha256: str | None) -> Iterator[Finding]:
    try:
        actual = path.stat().st_size
        if size is not None and actual != size:
            yield Finding(path, State.DAMAGED, f"bytes should be {size}, got {actual}")
        elif sha256 is None:
            yield Finding(path, State.UNKNOWN, "no digest of it was kept")
        elif (found := sha256_of(path)) != sha256:
            yield Finding(path, State.DAMAGED, f"sha256 should be {sha256}, got {found}")
        else:
            yield Finding(path, State.WHOLE)
    except FileNotFoundError:
        return  # never fetched, or pruned just now


def _fix(cache: Cache, kind: Kind, folder: Path, found: list[Finding]) -> list[Finding]:
    """What is damaged is removed, if it still is and nobody else is at the folder."""
    with alone_at(folder) as alone:
        if not alone:
            stays = "; another process is at it, so it stays"
            return [replace(one, reason=one.reason + stays) if one.state is State.DAMAGED else one for one in found]
        again: list[Finding] = []
        for one in _verify(cache, kind, folder):
            if one.state is State.DAMAGED:
                one.path.unlink(missing_ok=True)
            again.append(replace(one, removed=one.state is State.DAMAGED))
        return again


def _remove(folder: Path) -> bool:
    """Whether the folder is gone: not if another process is at it. Readers that have its files open keep them."""
    with alone_at(folder) as alone:
        if alone:
            aside = folder.with_name(f"{REMOVING}{secrets.token_hex(8)}")
            folder.rename(aside)
            shutil.rmtree(aside)
    return alone or not folder.exists()


def _forget_refs(cache: Cache) -> None:
    """Of descendants that are not here any more, and what was left half written."""
    refs = cache.root / "refs"
    for path in refs.glob(f".*{PART}") if refs.is_dir() else ():
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > LEFT_SECONDS:
                path.unlink()
    for path in refs.glob("*.json") if refs.is_dir() else ():
        try:
            id = str(json.loads(path.read_bytes())["id"])
            gone = not is_sha256(id) or not cache.folder(id).exists()
        except (OSError, ValueError, RecursionError, TypeError, KeyError):
            gone = True
        if gone:
            path.unlink(missing_ok=True)

"""Learngenes sent to the service, their versions named and taken back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from learngenes_client import calls
from learngenes_client.cache.files import sha256_of
from learngenes_client.cache.places import LEARNGENE_FILE, MANIFEST_FILE
from learngenes_client.effects import Flow, ask, work
from learngenes_client.errors import InvalidArgument
from learngenes_client.flows.session import Session
from learngenes_client.models import Learngene


def push(
    self: Session,
    path: Path | str,
    *,
    name: str | None = None,
    method: str | None = None,
    options: Mapping[str, Any] | None = None,
    heads: int | None = None,
    pool: str | None = None,
    norm: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    interpolation: str | None = None,
    crop_pct: float | None = None,
    labels: Sequence[str] | None = None,
    license: str | None = None,
    data_license: str | None = None,
    description: str | None = None,
    private: bool | None = None,
    alias: str | None = None,
) -> Flow[Learngene]:
    """Publish a learngene: the version it became, a new one unless the same was there.

    path: a checkpoint with timm's tensor names, a .safetensors file, of which the other arguments tell what its shapes
    do not: `name`, which it needs; heads; pool, "token" or "avg"; norm, "before-pool" or "after-pool"; how images are
    prepared; class names. method: what is to become of it, "selection" if nothing is said; options: of that method's
    learning. Or a folder with a learngene's own learngene.safetensors and manifest.json, which say all of it.

    The file is read twice: for its sha256, and to be sent. Forbidden without scope train, or admin for a name that
    exists; InvalidRequest for a file that is not safetensors of that kind.
    """
    self.need_network("publishing")
    file, body = yield from work(
        lambda: _prepared(
            Path(path),
            {
                "name": name,
                "method": method,
                "options": None if options is None else dict(options),
                "heads": heads,
                "pool": pool,
                "norm": norm,
                "mean": None if mean is None else list(mean),
                "std": None if std is None else list(std),
                "interpolation": interpolation,
                "crop_pct": crop_pct,
                "labels": None if labels is None else list(labels),
                "license": license,
                "data_license": data_license,
                "description": description,
                "private": private,
                "alias": alias,
            },
        )
    )
    sha256 = yield from work(lambda: sha256_of(file))
    calls.read_blob((yield from ask(calls.put_blob(file, sha256=sha256, size=file.stat().st_size))))
    if "manifest" not in body:
        body = body | {"sha256": sha256}
    return calls.read_published((yield from ask(calls.publish(body))))


def alias(self: Session, name: str, alias: str, version: int) -> Flow[str]:
    """Let `name@alias` be this version from now on, which is returned as `name@version`.

    Forbidden without scope train, or admin if the alias is moved.
    """
    self.need_network("naming a version")
    return calls.read_alias((yield from ask(calls.alias(name, alias, version))))


def yank(self: Session, reference: str, reason: str) -> Flow[Learngene]:
    """Take a version back, `name@3`: who asks for it is told the reason, who asks for `name` gets another.

    Nothing is deleted: `allow_yanked=True` still has it. Forbidden without scope admin.
    """
    self.need_network("taking a version back")
    return calls.read_published((yield from ask(calls.yank(reference, reason))))


def unyank(self: Session, reference: str) -> Flow[Learngene]:
    """Put a version back."""
    self.need_network("putting a version back")
    return calls.read_published((yield from ask(calls.unyank(reference))))


def _prepared(path: Path, given: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """The file to send, and what is to be published of it."""
    said = {field: value for field, value in given.items() if value is not None}
    if not path.is_dir():
        if not path.is_file():
            raise InvalidArgument(f"there is no file and no folder {str(path)!r}")
        if "name" not in said:
            raise InvalidArgument("a checkpoint is published under a name: say which")
        return path, said
    weights, manifest = path / LEARNGENE_FILE, path / MANIFEST_FILE
    if not (weights.is_file() and manifest.is_file()):
        raise InvalidArgument(
            f"a learngene's folder holds {LEARNGENE_FILE} and {MANIFEST_FILE}; {str(path)!r} does not"
        )
    try:
        table = json.loads(manifest.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"{str(manifest)!r} is no JSON: {error}") from error
    if beside := said.keys() - {"private", "alias"}:
        raise InvalidArgument(
            f"the manifest in {str(path)!r} says all of a learngene; {min(beside)!r} can't be said beside it"
        )
    return weights, {"manifest": table, **said}

"""Calls that publish learngenes, name their versions and take them back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from learngenes_client.calls.call import DONE, JSON_HEADERS, Answer, Call, read_object
from learngenes_client.calls.learngenes import is_pinned, learngene_url
from learngenes_client.errors import InvalidArgument
from learngenes_client.models import Learngene, learngene_from, take

ALIAS = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


def put_blob(path: Path, *, sha256: str, size: int) -> Call:
    """Send a file of tensors, to be published by its sha256 afterwards."""
    headers = JSON_HEADERS | {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
    return Call("PUT", f"/v1/blobs/{sha256}", headers=headers, file=path)


def publish(body: Mapping[str, Any]) -> Call:
    """Make a learngene of a file that was sent; the same again is the version that is there."""
    return Call("POST", "/v1/learngenes", headers=JSON_HEADERS, json=dict(body))


def alias(name: str, alias: str, version: int) -> Call:
    """Let `name@alias` be this version."""
    if not ALIAS.fullmatch(alias) or alias.isdecimal():
        raise InvalidArgument(f"an alias is lower-case letters, digits, '.', '_' and '-', not a number, got {alias!r}")
    url = f"{_of_name(name)}/aliases/{alias}"
    return Call("PUT", url, headers=JSON_HEADERS, json={"version": version})


def yank(reference: str, reason: str) -> Call:
    """Take a version back: what is built from it is 410 with this reason."""
    return Call("PUT", f"{_of_version(reference)}/yank", headers=JSON_HEADERS, json={"reason": reason})


def unyank(reference: str) -> Call:
    """Put it back."""
    return Call("DELETE", f"{_of_version(reference)}/yank", headers=JSON_HEADERS)


def read_alias(answer: Answer) -> str:
    """What `alias` asks for: the version it points to, `name@version`."""
    return take(read_object(answer), "reference", str)


def read_blob(answer: Answer) -> None:
    """That the service has the file now."""
    read_object(answer, statuses=DONE)


def read_published(answer: Answer) -> Learngene:
    """What `publish` asks for."""
    return learngene_from(read_object(answer, statuses=DONE))


def _of_name(name: str) -> str:
    if "@" in name:
        raise InvalidArgument(f"an alias belongs to a name without a version, got {name!r}")
    return learngene_url(name)


def _of_version(reference: str) -> str:
    if not is_pinned(reference):
        raise InvalidArgument(f"one version is taken back, 'name@version', got {reference!r}")
    return learngene_url(reference)

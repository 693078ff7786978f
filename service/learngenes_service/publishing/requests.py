"""What all endpoints of publishing ask of a request."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated

from fastapi import Depends, Request

from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue
from learngenes_service.access.addresses import network
from learngenes_service.access.callers import Caller
from learngenes_service.publishing.publications import Publications
from learngenes_service.publishing.staging import OWNER_DIGITS
from learngenes_service.state import Library

UNKEPT = {"cache-control": "no-store"}
_PINNED = re.compile(r"[^@]+@[1-9][0-9]{0,8}", re.ASCII)


def publications_of(request: Request) -> Publications:
    """The app's."""
    publications: Publications = request.app.state.publications
    return publications


ThePublications = Annotated[Publications, Depends(publications_of)]


def owner_of(request: Request, caller: Caller) -> str:
    """Whose the caller's uploads are: the key's; without one, whoever comes from this address."""
    who = f"key {caller.name}" if caller.name else f"address {network(request.client.host if request.client else '')}"
    return hashlib.sha256(who.encode()).hexdigest()[:OWNER_DIGITS]


def catalog_of(request: Request, caller: Caller) -> Catalog:
    """The learngenes that the caller sees."""
    library: Library = request.app.state.shelves
    return library.memory.catalog if caller.sees_private else library.public


def pinned(reference: str) -> str:
    """The reference itself; InvalidValue unless it names a version by its number."""
    if not _PINNED.fullmatch(reference):
        raise InvalidValue(f"{reference[:80]!r} names no version: write name@number, such as {reference[:64]}@1")
    return reference

"""Recipes that are remembered, by their digests.

recipes/<id>    JSON, zlib
"""

from __future__ import annotations

import contextlib
import hashlib
import zlib

from learngenes import recipe
from learngenes.errors import BlobExists
from learngenes.recipe import Recipe
from learngenes.store import Store


def keep(store: Store, wanted: Recipe) -> str:
    """Remember a recipe under its digest, which is returned."""
    raw = recipe.to_json(wanted)
    name = hashlib.sha256(raw).hexdigest()
    with contextlib.suppress(BlobExists):
        store.create(f"recipes/{name}", [zlib.compress(raw)])
    return name


def recall(store: Store, digest: str) -> Recipe:
    """The recipe kept under a digest; BlobNotFound if there is none."""
    return recipe.from_json(zlib.decompress(store.read(f"recipes/{digest}")))

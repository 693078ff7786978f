"""What the service holds between requests: the catalog, and descendants that were asked for of late."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from fastapi import Request as HttpRequest

from learngenes import recipe as recipes
from learngenes.catalog import Catalog
from learngenes.errors import BlobExists, BlobNotFound
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.recipe import Recipe
from learngenes.stream import VirtualFile, assemble, stream
from learngenes_service.problems import DescendantNotFound

KEPT_DESCENDANTS = 256
_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Descendant:
    """A recipe, the manifest it was made from, and the virtual file of its weights."""

    recipe: Recipe
    manifest: Manifest
    file: VirtualFile


class Shelf:
    """Descendants by id, the last few in memory, all others rebuilt from their kept recipes.

    default: name of the learngene that answers a request which names none.
    """

    def __init__(self, catalog: Catalog, *, default: str) -> None:
        self.catalog = catalog
        self.default = default
        self._recent: OrderedDict[str, Descendant] = OrderedDict()
        self._asked: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._hashes: dict[str, asyncio.Task[str]] = {}

    async def initialize(self, manifest: Manifest, request: Request) -> Descendant:
        """The descendant of a request; what was asked of late is not planned again. Raises what `initialize` does."""
        asked = (manifest.reference, repr(request))
        known = self._touch(self._asked.get(asked, ""))
        if known is None:
            known = await self.add(initialize(manifest, request))
            self._asked[asked] = known.file.id
            if len(self._asked) > KEPT_DESCENDANTS:
                self._asked.popitem(last=False)
        return known

    async def add(self, recipe: Recipe) -> Descendant:
        """The descendant of a recipe, which is kept so that its id means the same after a restart."""
        known = self._touch(recipes.digest(recipe))
        if known is None:
            await asyncio.to_thread(self.catalog.keep, recipe)
            known = await self._assemble(recipe)
        return known

    async def get(self, id: str) -> Descendant:
        """The descendant of an id; DescendantNotFound if nobody ever asked for it."""
        if not _ID.fullmatch(id):
            raise DescendantNotFound(id)
        known = self._touch(id)
        if known is None:
            try:
                recipe = await asyncio.to_thread(self.catalog.recall, id)
            except BlobNotFound:
                raise DescendantNotFound(id) from None
            known = await self._assemble(recipe)
        return known

    async def sha256(self, descendant: Descendant) -> str:
        """sha256 of the weights file: read once, by one task, then known for ever."""
        id = descendant.file.id
        if id not in self._hashes:
            self._hashes[id] = asyncio.create_task(asyncio.to_thread(self._hash, descendant))
        try:
            return await asyncio.shield(self._hashes[id])
        finally:
            if self._hashes.get(id) and self._hashes[id].done():
                del self._hashes[id]

    async def _assemble(self, recipe: Recipe) -> Descendant:
        manifest = self.catalog.manifest_of(recipe)
        tensors = await asyncio.to_thread(self.catalog.open, manifest, recipe.dtype)
        descendant = Descendant(recipe, manifest, assemble(recipe, tensors))
        self._recent[descendant.file.id] = descendant
        if len(self._recent) > KEPT_DESCENDANTS:
            self._recent.popitem(last=False)
        return descendant

    def _touch(self, id: str) -> Descendant | None:
        if id in self._recent:
            self._recent.move_to_end(id)
        return self._recent.get(id)

    def _hash(self, descendant: Descendant) -> str:
        key = f"digests/{descendant.file.id}"
        with contextlib.suppress(BlobNotFound):
            return self.catalog.store.read(key).decode()
        sha256 = hashlib.sha256()
        for piece in stream(descendant.file):
            sha256.update(piece)
        with contextlib.suppress(BlobExists):
            self.catalog.store.create(key, [sha256.hexdigest().encode()])
        return sha256.hexdigest()


def shelf(request: HttpRequest) -> Shelf:
    """The app's shelf."""
    return cast("Shelf", request.app.state.shelf)


TheShelf = Annotated[Shelf, Depends(shelf)]

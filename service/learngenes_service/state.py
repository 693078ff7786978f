"""What one request gets to see: the shelf is the endpoints' only way to learngenes and descendants."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Query
from fastapi import Request as HttpRequest

from learngenes.catalog import Catalog
from learngenes.gene import Manifest
from learngenes.initialize import Request
from learngenes.ready import ready
from learngenes.spec import Spec, replaced
from learngenes.stream import VirtualFile, as_stored
from learngenes_service.access.callers import TheCaller
from learngenes_service.access.private import Marks, PublicCatalog
from learngenes_service.headers import Answer, answer_to
from learngenes_service.memory import Descendant, Memory
from learngenes_service.problems import DescendantNotFound


@dataclass(frozen=True, slots=True)
class Library:
    """What the service holds between requests. public: the catalog without what is private; default: see Shelf."""

    memory: Memory
    marks: Marks
    public: PublicCatalog
    default: str


class Shelf:
    """Learngenes and descendants as one caller sees them; what is private is not there for who may not see it.

    Answers to who may are private too, but for those of a descendant that everybody may have.
    default: name of the learngene that answers a request which names none. yanked: whether versions that were taken
    back may be had.
    """

    def __init__(self, library: Library, *, sees_private: bool, answer: Answer, yanked: bool = False) -> None:
        self.catalog: Catalog = library.memory.catalog if sees_private else library.public
        self.default = library.default
        self._memory = library.memory
        self._marks = library.marks
        self._sees_private = sees_private
        self._yanked = yanked
        self._answer = answer
        self._answer.private = sees_private

    async def manifest(self, reference: str | None) -> Manifest:
        """The manifest of `name` or `name@version`, or of the default learngene; Yanked if it was taken back."""

        def found() -> Manifest:
            manifest = self.catalog.get(reference or self.default, yanked=self._yanked)
            self.refuse_yanked(manifest)
            return manifest

        return await asyncio.to_thread(found)

    def refuse_yanked(self, manifest: Manifest) -> None:
        """Yanked, with the reason, if this version was taken back and the caller did not say that it may have been."""
        if not self._yanked and not self.catalog.stands(manifest):
            self.catalog.refuse_yanked(manifest)

    async def ready(self, manifest: Manifest, request: Request) -> Manifest:
        """The learngene that answers a request, if the caller may see it; nothing is planned."""
        return await self.shown(await asyncio.to_thread(ready, self.catalog, manifest, request))

    async def initialize(self, manifest: Manifest, request: Request, *, keep: bool = True) -> Descendant:
        """The descendant of a request; what was asked of late is not planned again. Raises what `initialize` does.

        keep: remember its recipe in the store, for who comes back with its id.
        """
        return await self._shown(await self._memory.initialize(manifest, request, among=self.catalog, keep=keep))

    async def get(self, id: str) -> Descendant:
        """The descendant of an id; DescendantNotFound if nobody ever asked for it."""
        return await self._shown(await self._memory.get(id))

    async def of_method(self, method: str) -> list[str]:
        """Names of the learngenes of a method."""

        def names() -> list[str]:
            return [manifest.name for manifest in self.catalog.offered() if manifest.method == method]

        return await asyncio.to_thread(names)

    def replaced(self, wanted: Spec) -> str | None:
        """See spec.replaced. Private learngenes count: a name that is taken and not said to be is anybody's."""
        return replaced(wanted, self._memory.catalog)

    async def stored(self, manifest: Manifest) -> VirtualFile:
        """The file of a learngene that the catalog gave, as it lies in the store."""
        return as_stored(await asyncio.to_thread(self.catalog.open, manifest), manifest.weights.sha256)

    async def sha256(self, descendant: Descendant) -> str:
        """sha256 of the weights file: read once, however many ask, then known for ever."""
        return await self._memory.sha256(descendant)

    def known_sha256(self, id: str) -> str | None:
        """sha256 of a descendant's weights, if somebody wanted to know before; reads the store."""
        return self._memory.known_sha256(id)

    @property
    def computing(self) -> Executor:
        """The threads that compute tensors."""
        return self._memory.computing

    async def _shown(self, descendant: Descendant) -> Descendant:
        """The descendant, if the caller may see it."""
        await self.shown(descendant.manifest, descendant.file.id)
        return descendant

    async def shown(self, manifest: Manifest, id: str = "") -> Manifest:
        """The learngene whose bytes are the answer, if the caller may see it; DescendantNotFound of this id if not."""
        private = self._marks.known(manifest)
        if private is None:
            private = await asyncio.to_thread(self._marks.hide, manifest)
        if private and not self._sees_private:
            raise DescendantNotFound(id)
        if not self._yanked and not self.catalog.stands(manifest):
            await asyncio.to_thread(self.refuse_yanked, manifest)
        self._answer.private = private
        return manifest


async def shelf(
    request: HttpRequest,
    caller: TheCaller,
    yanked: Annotated[Literal["allow"] | None, Query(description="have versions that were taken back too")] = None,
) -> Shelf:
    """The caller's."""
    library: Library = request.app.state.shelves
    return Shelf(library, sees_private=caller.sees_private, answer=answer_to(request.scope), yanked=yanked is not None)


TheShelf = Annotated[Shelf, Depends(shelf)]

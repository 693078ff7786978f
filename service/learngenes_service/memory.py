"""Descendants that were asked for: the last few in memory, all others rebuilt from their kept recipes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import re
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from learngenes.catalog import Catalog
from learngenes.errors import BlobExists, BlobNotFound
from learngenes.gene import Manifest
from learngenes.initialize import Request
from learngenes.ready import planned, ready
from learngenes.recipe import Recipe
from learngenes.stream import VirtualFile, stream
from learngenes_service.problems import DescendantNotFound
from learngenes_service.telemetry.metrics import Metrics

KEPT_TENSORS = 50_000
"""Tensors of all descendants held in memory: some 20 MB, or 400 descendants of depth 9."""

log = logging.getLogger("learngenes.service")
_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Descendant:
    """A recipe, the manifest it was made from, and the virtual file of its weights."""

    recipe: Recipe
    manifest: Manifest
    file: VirtualFile


class Memory:
    """Descendants by id. It knows no callers: what one of them gets to see is the shelf's matter.

    What takes time (planning, disk, hashing) happens in threads; what is remembered changes on the event loop alone.
    catalog: the whole one.
    """

    def __init__(self, catalog: Catalog, metrics: Metrics) -> None:
        self.catalog = catalog
        self._metrics = metrics
        self._recent: OrderedDict[str, Descendant] = OrderedDict()
        self._asked: OrderedDict[bytes, str] = OrderedDict()
        self._unkept: set[str] = set()
        self._tensors = 0
        self._hashes: dict[str, asyncio.Future[str]] = {}
        # As many threads as cores, and their own: however many download, planning does not wait behind them.
        self.computing = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="compute")
        # One thread: reading gigabytes must not take the threads that answer small requests.
        self._hasher = ThreadPoolExecutor(1, thread_name_prefix="sha256")

    async def initialize(
        self, manifest: Manifest, request: Request, *, among: Catalog, keep: bool = True
    ) -> Descendant:
        """The descendant of a request; what was asked of late is not planned again. Raises what `initialize` does.

        among: the learngenes that may answer it. keep: remember the recipe in the store; who only looks does not.
        """
        chosen = await asyncio.to_thread(ready, among, manifest, request)
        asked = hashlib.sha256(f"{chosen.reference} {request!r}".encode("utf-8", "backslashreplace")).digest()
        known = self._touch(self._asked.get(asked, ""))
        if known is None:
            made = await asyncio.to_thread(self._make, manifest, request, among)
            if made.file.id not in self._recent:
                self._unkept.add(made.file.id)
            known = self._remember(made)
            self._asked[asked] = known.file.id
            if len(self._asked) > len(self._recent):
                self._asked.popitem(last=False)
        if keep and known.file.id in self._unkept:
            await asyncio.to_thread(self._keep, known)
            self._unkept.discard(known.file.id)
        return known

    async def get(self, id: str) -> Descendant:
        """The descendant of an id; DescendantNotFound if nobody ever asked for it."""
        if not _ID.fullmatch(id):
            raise DescendantNotFound(id)
        return self._touch(id) or self._remember(await asyncio.to_thread(self._recall, id))

    async def sha256(self, descendant: Descendant) -> str:
        """sha256 of the weights file: read once, however many ask, then known for ever."""
        id = descendant.file.id
        if id not in self._hashes:
            loop = asyncio.get_running_loop()
            self._hashes[id] = loop.run_in_executor(self._hasher, self._hash, descendant)
            self._hashes[id].add_done_callback(lambda _: self._hashes.pop(id, None))
        return await asyncio.shield(self._hashes[id])

    def _make(self, manifest: Manifest, request: Request, among: Catalog) -> Descendant:
        recipe, chosen = planned(among, manifest, request)
        self._metrics.recipes.inc()
        return self._assemble(recipe, chosen)

    def _keep(self, descendant: Descendant) -> None:
        try:
            self.catalog.keep(descendant.recipe)
        except OSError as error:
            log.warning("descendant %s will be unknown after a restart: %s", descendant.file.id, error)

    def _recall(self, id: str) -> Descendant:
        try:
            recipe = self.catalog.recall(id)
        except BlobNotFound:
            raise DescendantNotFound(id) from None
        return self._assemble(recipe, self.catalog.manifest_of(recipe))

    def _assemble(self, recipe: Recipe, manifest: Manifest) -> Descendant:
        return Descendant(recipe, manifest, self.catalog.assemble(recipe, manifest))

    def _remember(self, descendant: Descendant) -> Descendant:
        known = self._touch(descendant.file.id)
        if known is not None:
            return known
        self._recent[descendant.file.id] = descendant
        self._tensors += _weight(descendant)
        while self._tensors > KEPT_TENSORS and len(self._recent) > 1:
            _, oldest = self._recent.popitem(last=False)
            self._tensors -= _weight(oldest)
            self._unkept.discard(oldest.file.id)
        return descendant

    def _touch(self, id: str) -> Descendant | None:
        if id in self._recent:
            self._recent.move_to_end(id)
        return self._recent.get(id)

    def known_sha256(self, id: str) -> str | None:
        """sha256 of a descendant's weights, if somebody wanted to know before; reads the store."""
        try:
            return self.catalog.store.read(f"digests/{id}").decode()
        except BlobNotFound:
            return None

    def _hash(self, descendant: Descendant) -> str:
        key = f"digests/{descendant.file.id}"
        known = self.known_sha256(descendant.file.id)
        if known is not None:
            return known
        sha256 = hashlib.sha256()
        for piece in stream(descendant.file):
            sha256.update(piece)
        with contextlib.suppress(BlobExists, OSError):
            self.catalog.store.create(key, [sha256.hexdigest().encode()])
        return sha256.hexdigest()


def _weight(descendant: Descendant) -> int:
    """In tensors; the name of a class takes about as much memory as the facts of one."""
    return len(descendant.recipe.entries) + len(descendant.recipe.labels)

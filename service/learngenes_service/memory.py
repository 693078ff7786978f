"""Descendants that were asked for: the last few in memory, all others rebuilt from their kept recipes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import re
import time
from collections import OrderedDict
from collections.abc import Iterator
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

TURN_SECONDS = 0.1
"""So long a file is read for its sha256 before it is another's turn, or one tensor if that takes longer."""

log = logging.getLogger("learngenes.service")
_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Descendant:
    """A recipe, the manifest it was made from, and the virtual file of its weights."""

    recipe: Recipe
    manifest: Manifest
    file: VirtualFile


@dataclass(slots=True, eq=False)
class _Reading:
    """A file that is being read for its sha256. waiting: how many wait for that."""

    task: asyncio.Task[str]
    waiting: int = 0


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
        self._readings: dict[str, _Reading] = {}
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
        """sha256 of the weights file: read once, however many ask, then known for ever.

        Files are read in turns, so that a small one does not wait for a large one, and no further once nobody waits.
        """
        id = descendant.file.id
        reading = self._readings.get(id)
        if reading is None:
            reading = self._readings[id] = _Reading(asyncio.create_task(self._read(descendant)))
        reading.waiting += 1
        try:
            return await asyncio.shield(reading.task)
        finally:
            reading.waiting -= 1
            if not reading.waiting:
                reading.task.cancel()  # which does nothing to what is done
                if self._readings.get(id) is reading:
                    del self._readings[id]

    async def _read(self, descendant: Descendant) -> str:
        id = descendant.file.id
        known = await asyncio.to_thread(self.known_sha256, id)
        if known is not None:
            return known
        pieces, sha256 = stream(descendant.file), hashlib.sha256()
        while await asyncio.get_running_loop().run_in_executor(self._hasher, _one_turn, pieces, sha256):
            pass
        await asyncio.to_thread(self._keep_sha256, id, sha256.hexdigest())
        return sha256.hexdigest()

    def _keep_sha256(self, id: str, sha256: str) -> None:
        with contextlib.suppress(BlobExists, OSError):
            self.catalog.store.create(f"digests/{id}", [sha256.encode()])

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


def _one_turn(pieces: Iterator[memoryview], sha256: hashlib._Hash) -> bool:
    """Read on for a while; whether there is more."""
    until = time.monotonic() + TURN_SECONDS
    for piece in pieces:
        sha256.update(piece)
        if time.monotonic() >= until:
            return True
    return False


def _weight(descendant: Descendant) -> int:
    """In tensors; the name of a class takes about as much memory as the facts of one."""
    return len(descendant.recipe.entries) + len(descendant.recipe.labels)

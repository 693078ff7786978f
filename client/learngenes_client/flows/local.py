"""Building on this machine: the learngene is fetched once, then every size of it is a recipe of a few kB.

What is checked, each by its sha256: the recipe is the descendant's id, the manifest is the one that the recipe names,
the learngene is the one that the manifest names, when it is fetched and once by every client that builds with it. These
decide every byte of the file. It is not hashed itself, that would take longer than making it; its header, offsets and
length are read back as strictly as any file's. `cache verify` reads all of it.

Nor is waited until it is on the disk: that is noted beside it, and a file that is still unsettled when the machine is
started anew is built again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from learngenes_client import building, calls
from learngenes_client.building import Plan, Weights
from learngenes_client.cache import Cache
from learngenes_client.cache.files import give_name, hold, holds, jot, part_of, settle_later, sha256_of, will_settle
from learngenes_client.cache.places import LEARNGENE_FILE, MANIFEST_FILE, touch
from learngenes_client.effects import Flow, ask, work
from learngenes_client.errors import CantBuild, IntegrityError, ServiceError
from learngenes_client.flows.download import fetch_file
from learngenes_client.flows.session import Session, has_library
from learngenes_client.flows.turns import empty
from learngenes_client.models import MODEL_FILE, RECIPE_FILE, Document, RemoteFile
from learngenes_client.progress import Progress, ignore

MOST_ANCESTORS = 4
"""A learngene that completes one that completes one: what is longer is a circle."""


@dataclass(frozen=True, slots=True)
class Source:
    """A learngene's file in the cache, and where it comes from. digest: of its manifest."""

    digest: str
    file: RemoteFile
    path: Path


@dataclass(frozen=True, slots=True)
class Kit:
    """All that a descendant is built of.

    recipe: as it is written; sources: the learngene's file, then those of the ones it completes.
    """

    recipe: bytes
    plan: Plan
    sources: tuple[Source, ...]

    @property
    def missing_bytes(self) -> int:
        """How much of it would have to be fetched."""
        return sum(source.file.bytes for source in self.sources if not holds(source.path, source.file))


def recipe(session: Session, document: Document, *, allow_yanked: bool) -> Flow[bytes]:
    """The descendant's recipe, from the cache or the service and then kept: what it makes is what its id names.

    CantBuild if the service does not have it; IntegrityError if it is another descendant's.
    """
    path = session.cache.folder(document.id) / RECIPE_FILE
    raw = yield from work(lambda: _kept(path, document.id))
    if raw is None:
        url = document.file(RECIPE_FILE).url
        raw = came = yield from _small(url, sha256=document.id, allow_yanked=allow_yanked)
        yield from work(lambda: jot(path, came))
    return raw


def gather(session: Session, document: Document, *, allow_yanked: bool) -> Flow[Kit]:
    """The recipe and the manifests, but no weights. CantBuild if they can't be had or read here."""
    if not document.offers(RECIPE_FILE):
        raise CantBuild(f"the service offers no recipe of descendant {document.id}")
    raw = yield from recipe(session, document, allow_yanked=allow_yanked)
    plan = yield from work(lambda: building.read_recipe(raw))
    sources: list[Source] = []
    reference, digest = plan.learngene, plan.manifest
    while len(sources) < MOST_ANCESTORS:
        source, parent = yield from _source(session, reference, digest, allow_yanked)
        sources.append(source)
        if parent is None:
            return Kit(raw, plan, tuple(sources))
        reference, digest = parent
    raise CantBuild(f"{plan.learngene} completes a learngene that completes one, more than {MOST_ANCESTORS} deep")


def build(
    session: Session,
    kit: Kit,
    document: Document,
    target: Path,
    held: BinaryIO,
    *,
    progress: Progress | None,
    allow_yanked: bool,
) -> Flow[None]:
    """Fetch what is missing of the kit, and build: target is the descendant when this returns.

    held: what has come of target so far, which is ours. IntegrityError if a learngene in the cache has changed, which
    is then removed. No learngene is pruned while it is built from.
    """
    with ExitStack() as kept:
        for source in kit.sources:
            yield from work(_holding(kept, source))
            yield from fetch_file(source.file, source.path, progress=progress, allow_yanked=allow_yanked)
            yield from work(_verifying(session, source))
        yield from work(lambda: empty(held, target))  # a download that was begun is no beginning of this
        try:
            yield from work(
                lambda: building.build(
                    kit.plan,
                    tuple(source.path for source in kit.sources),
                    held.fileno(),
                    size=document.file(MODEL_FILE).bytes,
                    progress=progress or ignore,
                )
            )
        except BaseException:
            empty(held, target)
            raise
    if (yield from work(lambda: will_settle(part_of(target), target))):
        part_of(target).replace(target)
        settle_later(target)
    else:
        yield from work(lambda: give_name(held, part_of(target), target))


def _holding(kept: ExitStack, source: Source) -> Callable[[], BinaryIO]:
    return lambda: kept.enter_context(hold(source.path.with_name(MANIFEST_FILE)))


def is_what_its_recipe_makes(cache: Cache, id: str) -> bool | None:
    """Whether every byte of a descendant in the cache is; None if recipe, learngene or library are not here."""
    folder = cache.folder(id)
    try:
        raw = (folder / RECIPE_FILE).read_bytes()
        if not has_library() or hashlib.sha256(raw).hexdigest() != id:
            return None
        plan = building.read_recipe(raw)
        digest = plan.manifest
        paths: list[Path] = []
        while len(paths) < MOST_ANCESTORS:
            manifest = _kept(cache.learngene(digest) / MANIFEST_FILE, digest)
            if manifest is None:
                return None
            weights = building.read_manifest(manifest)
            paths.append(cache.learngene(digest) / LEARNGENE_FILE)
            if sha256_of(paths[-1]) != weights.sha256:
                return None
            if weights.parent is None:
                return building.same(plan, tuple(paths), folder / MODEL_FILE)
            digest = weights.parent[1]
    except (OSError, CantBuild):
        pass
    return None


def _source(
    session: Session, reference: str, digest: str, allow_yanked: bool
) -> Flow[tuple[Source, tuple[str, str] | None]]:
    """A learngene's manifest, from the cache or the service, and the learngene it completes, if any."""
    url = calls.learngene_url(reference)
    folder = session.cache.learngene(digest)
    raw = yield from work(lambda: _kept(folder / MANIFEST_FILE, digest))
    if raw is None:
        came = yield from _small(f"{url}/{MANIFEST_FILE}", sha256=digest, allow_yanked=allow_yanked)
        yield from work(_reading(came))  # nothing is kept that can't be read
        yield from work(_opening(session, digest, came))
        raw = came
    weights = session.manifests.get(digest)
    if weights is None:
        weights = session.manifests[digest] = yield from work(_reading(raw))
    touch(folder / MANIFEST_FILE)
    file = RemoteFile(LEARNGENE_FILE, weights.bytes, weights.sha256, f"{url}/{LEARNGENE_FILE}")
    return Source(digest, file, folder / LEARNGENE_FILE), weights.parent


def _small(url: str, *, sha256: str, allow_yanked: bool) -> Flow[bytes]:
    """A small file; CantBuild if the service does not have it."""
    answer = yield from ask(calls.small(url, allow_yanked=allow_yanked))
    if answer.status != 200:
        error = calls.refusal(answer)
        if isinstance(error, ServiceError) and answer.status != 404:
            raise error
        raise CantBuild(f"the service has no {url}: {error}") from error
    actual = hashlib.sha256(answer.body).hexdigest()
    if actual != sha256:
        raise IntegrityError(url.rpartition("/")[2], "sha256", expected=sha256, actual=actual)
    return answer.body


def _kept(path: Path, digest: str) -> bytes | None:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    return raw if hashlib.sha256(raw).hexdigest() == digest else None


def _opening(session: Session, digest: str, raw: bytes) -> Callable[[], Path]:
    return lambda: session.cache.open_learngene(digest, raw)


def _reading(raw: bytes) -> Callable[[], Weights]:
    return lambda: building.read_manifest(raw)


def _verifying(session: Session, source: Source) -> Callable[[], None]:
    return lambda: _verify(session, source)


def _verify(session: Session, source: Source) -> None:
    """Read every byte, once for this client; a file that has changed is removed."""
    status = source.path.stat()
    seen = (str(source.path), status.st_ino, status.st_size, status.st_mtime_ns)
    if seen in session.verified:
        return
    actual = sha256_of(source.path)
    if actual != source.file.sha256:
        source.path.unlink(missing_ok=True)
        raise IntegrityError(source.path.name, "sha256", expected=source.file.sha256, actual=actual)
    session.verified.add(seen)

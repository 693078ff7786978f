"""From an address to the commit that is there, for one caller."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from learngenes import aliases
from learngenes.errors import InvalidKey, InvalidValue, LearngeneNotFound, NeedsLearning, UnsupportedSize, Yanked
from learngenes.gene import Manifest
from learngenes.ready import planned
from learngenes.sizes import Size
from learngenes_service.hub.addresses import Repo, Sized, of_size, sized
from learngenes_service.hub.commits import Place, is_commit, place_of
from learngenes_service.hub.offered import fitted_sizes, main_size
from learngenes_service.hub.refusals import Refused, repo_missing, revision_missing
from learngenes_service.hub.snapshots import Snapshot, Snapshots
from learngenes_service.problems import DescendantNotFound
from learngenes_service.state import Shelf

MAIN = "main"
NAMED = 5
"""At most so many sizes are named where one can't be had."""

_VERSION = re.compile(r"v([0-9]{1,9})", re.ASCII)
_PREFIX = re.compile(r"refs/(?:heads|tags)/", re.ASCII)


@dataclass(frozen=True, slots=True)
class Found:
    """manifest: the learngene asked for; chosen: the one that answers, a fitted one perhaps.

    pinned: the revision asked for is the commit itself, which never changes.
    """

    snapshot: Snapshot
    manifest: Manifest
    chosen: Manifest
    pinned: bool


@dataclass(frozen=True, slots=True)
class Revision:
    """What a revision says. version: a number or an alias, empty for the newest; size: None for the repository's."""

    text: str
    version: str = ""
    size: Sized | None = None
    commit: str = ""


async def find(repo: Repo, revision: str, *, shelf: Shelf, snapshots: Snapshots) -> Found:
    """What a repository has at a revision; Refused with what could be had instead. Nothing is kept in the store."""
    asked = read_revision(repo, revision)
    try:
        return await _find(repo, asked, shelf=shelf, snapshots=snapshots)
    except Yanked as error:
        reason = f"{error.reference} was taken back: {error.reason}"
        raise (revision_missing if asked.version else repo_missing)(reason) from None


async def _find(repo: Repo, asked: Revision, *, shelf: Shelf, snapshots: Snapshots) -> Found:
    manifest = await _manifest(repo, asked, shelf)
    size = asked.size or repo.size or of_size(await asyncio.to_thread(_main, manifest, shelf), "timm")
    place = Place(manifest.version, Size(size.depth, size.width), size.keys)
    try:
        snapshot, chosen = await _answer(repo, place, manifest, shelf, snapshots)
    except NeedsLearning as error:
        raise _not_ready(error, repo, asked) from None
    except UnsupportedSize as error:
        raise await _impossible(error, repo, asked, size, shelf) from None
    except DescendantNotFound:
        raise repo_missing(f"no repository {repo.id} here") from None
    except InvalidValue as error:
        raise _missing(repo, asked, str(error)) from None
    _check_heads(size, snapshot, repo)
    if asked.commit and asked.commit != snapshot.id:
        raise revision_missing(
            f"commit {asked.commit} of {repo.id} had other files than are made here now; "
            f"the same size of the same version is {snapshot.id}"
        )
    return Found(snapshot, manifest, chosen, bool(asked.commit))


def read_revision(repo: Repo, text: str) -> Revision:
    """What a revision says, before the store is asked; Refused for what can't be one."""
    plain = _PREFIX.sub("", text, count=1)
    if plain in (MAIN, "HEAD"):
        return Revision(text)
    if found := _VERSION.fullmatch(plain):
        return Revision(text, str(int(found[1])))
    if is_commit(plain):
        place = place_of(plain)
        if place is not None and (repo.size is None or repo.size.name == of_size(place.size, place.keys).name):
            return Revision(text, str(place.version), of_size(place.size, place.keys), plain)
    elif repo.size is None and (size := sized(plain)):
        return Revision(text, size=size)
    elif aliases.is_alias(plain):
        return Revision(text, plain)
    raise revision_missing(f"{repo.id} has no revision {text[:80]!r}")


def is_revision_of(repo: Repo, alias: str) -> bool:
    """Whether an alias is what its name means as a revision; one given long ago may read like something else."""
    try:
        return read_revision(repo, alias) == Revision(alias, alias)
    except Refused:
        return False


def _main(manifest: Manifest, shelf: Shelf) -> Size:
    return main_size(manifest, fitted_sizes(manifest, shelf.catalog))


async def _answer(
    repo: Repo, place: Place, manifest: Manifest, shelf: Shelf, snapshots: Snapshots
) -> tuple[Snapshot, Manifest]:
    """The commit, and the learngene that answers."""
    chosen = await shelf.ready(manifest, place.request)
    known = snapshots.known(repo, place, chosen)
    if known is not None:
        return known, chosen
    return await asyncio.to_thread(_taken, repo, place, manifest, shelf, snapshots)


def _taken(
    repo: Repo, place: Place, manifest: Manifest, shelf: Shelf, snapshots: Snapshots
) -> tuple[Snapshot, Manifest]:
    recipe, chosen = planned(shelf.catalog, manifest, place.request)
    return snapshots.take(repo, place, recipe, chosen), chosen


async def _manifest(repo: Repo, asked: Revision, shelf: Shelf) -> Manifest:
    try:
        return await shelf.manifest(repo.learngene + (f"@{asked.version}" if asked.version else ""))
    except InvalidKey as error:
        raise repo_missing(str(error)) from None
    except LearngeneNotFound as error:
        if not asked.version:
            raise repo_missing(str(error)) from None
    try:  # whether this caller may know that there are others
        await shelf.manifest(repo.learngene)
    except LearngeneNotFound as error:
        raise repo_missing(str(error)) from None
    versions = await asyncio.to_thread(shelf.catalog.versions, repo.learngene)
    known = ", ".join(f"v{version}" for version in versions[-NAMED:])
    raise revision_missing(f"{repo.id} has no revision {asked.text[:80]!r}; it has main, {known}")


def _missing(repo: Repo, asked: Revision, message: str) -> Refused:
    """The repository's name is at fault, or the revision's."""
    return revision_missing(message) if asked.size or repo.size is None else repo_missing(message)


def _not_ready(error: NeedsLearning, repo: Repo, asked: Revision) -> Refused:
    wanted = asked.size or repo.size
    ready = [of_size(size, wanted.keys if wanted else "timm").name for size in error.ready[:NAMED]]
    way = f"; at once there are {', '.join(ready)}" if ready else ""
    return _missing(repo, asked, f"{error}{way}; POST /initialize names the job that fits this size")


async def _impossible(error: UnsupportedSize, repo: Repo, asked: Revision, size: Sized, shelf: Shelf) -> Refused:
    nearest = of_size(error.nearest, size.keys).name
    if repo.size is None or asked.size:
        return revision_missing(f"{error}: revision {nearest} of {repo.id}")
    message = f"{error}: {repo.learngene}/{nearest}"
    if asked.version:
        newest = await shelf.manifest(repo.learngene)
        if size.depth in newest.space.depth and size.width in newest.space.width:
            return revision_missing(message)
    return repo_missing(message)


def _check_heads(size: Sized, found: Snapshot, repo: Repo) -> None:
    if size.heads is not None and found.heads is not None and size.heads != found.heads:
        raise repo_missing(
            f"{repo.learngene} has {found.heads} heads at this size, not {size.heads}: {repo.learngene}/{size.name}"
        )

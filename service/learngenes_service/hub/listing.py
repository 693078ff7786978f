"""Repositories that are told of, a page at a time; how much is looked at for one page is bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from learngenes.catalog import Catalog
from learngenes.errors import LearngenesError, StoreUnavailable
from learngenes.gene import Manifest
from learngenes.recipe import KEYS
from learngenes_service.hub.addresses import SUFFIX, Repo, of_size
from learngenes_service.hub.commits import Place
from learngenes_service.hub.documents import tags
from learngenes_service.hub.offered import fitted_sizes, main_size, offered
from learngenes_service.hub.refusals import Refused
from learngenes_service.hub.snapshots import Snapshot, Snapshots

PAGE = 100
EXAMINED = 200
"""So many learngenes and repositories are looked at for one page, however few of them are what was looked for."""

PAGE_BLOCKS = 2000
"""And repositories of so many blocks, or one: what is not remembered is planned."""

_CURSOR = re.compile(r"([0-9]{1,6})-(.{1,64})", re.ASCII)
_DIGITS = re.compile("[0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for. author: a learngene; search: part of an id, any case; tags: all of them; most: of a page."""

    author: str = ""
    search: str = ""
    tags: frozenset[str] = frozenset()
    most: int = PAGE

    def may_be_of(self, learngene: str) -> bool:
        """Whether a learngene can have one, judged by its name: any digits may be those of a size."""
        looks = (f"{learngene}/{learngene}", *(f"{learngene}/depth0-width0{suffix}" for suffix in SUFFIX.values()))
        search = _DIGITS.sub("0", self.search.lower())
        return self.author in ("", learngene) and any(search in _DIGITS.sub("0", look) for look in looks)

    def may_be(self, repo: Repo) -> bool:
        """Whether a repository can be one, judged by its id."""
        return repo.can_be_named and self.author in ("", repo.learngene) and self.search.lower() in repo.id.lower()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: at a learngene, behind so many of its repositories."""

    learngene: str = ""
    behind: int = 0

    def __str__(self) -> str:
        return f"{self.behind}-{self.learngene}"


@dataclass(frozen=True, slots=True)
class Page:
    """rows: repositories; after: where to go on, None at the end."""

    rows: list[Snapshot]
    after: Cursor | None


def cursor(text: str) -> Cursor:
    """What a cursor says; the beginning for what is none."""
    found = _CURSOR.fullmatch(text)
    return Cursor(found[2], int(found[1])) if found else Cursor()


def page(wanted: Wanted, start: Cursor, *, catalog: Catalog, snapshots: Snapshots) -> Page:
    """Repositories from a place on, of all that there are in a fixed order."""
    rows: list[Snapshot] = []
    examined = blocks = 0
    names = catalog.names()
    for name in names:
        if name < start.learngene or not wanted.may_be_of(name):
            continue
        if len(rows) == wanted.most or examined >= EXAMINED or blocks >= PAGE_BLOCKS:
            return Page(rows, Cursor(name))
        examined += 1
        manifest = _manifest(name, catalog)
        if manifest is None:
            continue
        first = start.behind if name == start.learngene else 0
        for at, (repo, place) in enumerate(_repositories(manifest, catalog, names)):
            if at < first or not wanted.may_be(repo):
                continue
            if len(rows) == wanted.most or examined >= EXAMINED or blocks >= PAGE_BLOCKS:
                return Page(rows, Cursor(name, at))
            examined += 1
            blocks += place.size.depth
            found = snapshot(repo, place, manifest, catalog=catalog, snapshots=snapshots)
            if found is not None and wanted.tags <= set(tags(found.card)):
                rows.append(found)
    return Page(rows, None)


def snapshot(
    repo: Repo, place: Place, manifest: Manifest, *, catalog: Catalog, snapshots: Snapshots
) -> Snapshot | None:
    """The commit of a place; None if it can't be had, because it has to be learned first or some other reason."""
    try:
        return snapshots.of(repo, place, manifest, catalog)
    except StoreUnavailable:
        raise
    except (LearngenesError, Refused):
        return None


def _manifest(name: str, catalog: Catalog) -> Manifest | None:
    """A learngene that has repositories; None of one that can't be served, or answers under another's name."""
    try:
        manifest = catalog.get(name)
    except StoreUnavailable:
        raise
    except LearngenesError:
        return None
    return manifest if manifest.parent is None else None


def _repositories(manifest: Manifest, catalog: Catalog, names: Sequence[str]) -> Iterator[tuple[Repo, Place]]:
    fitted = fitted_sizes(manifest, catalog, names=names)
    yield Repo(manifest.name), Place(manifest.version, main_size(manifest, fitted), "timm")
    for size in offered(manifest, fitted):
        for keys in KEYS:
            yield Repo(manifest.name, of_size(size, keys)), Place(manifest.version, size, keys)

"""Branches, tags and commits of a repository: the versions of its learngene, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from learngenes.catalog import Catalog
from learngenes.errors import LearngenesError, StoreUnavailable
from learngenes.gene import Manifest
from learngenes.recipe import KEYS
from learngenes.sizes import Size
from learngenes_service.hub.addresses import Repo, Sized, of_size
from learngenes_service.hub.commits import Place
from learngenes_service.hub.documents import commit
from learngenes_service.hub.finding import MAIN, is_revision_of
from learngenes_service.hub.listing import snapshot
from learngenes_service.hub.offered import MOST_BLOCKS, fitted_sizes, main_size, offered
from learngenes_service.hub.snapshots import Snapshot, Snapshots

NEWEST = 20
"""At most so many versions are told of, and of MOST_BLOCKS together; older ones can still be asked for."""


def refs(repo: Repo, main: Snapshot, *, catalog: Catalog, snapshots: Snapshots) -> dict[str, Any]:
    """`main`, every version and alias; of the repository of all sizes the sizes too. main: what `main` is."""
    names = catalog.names()
    versions = {taken.place.version: taken for taken in _versions(repo, catalog, snapshots, names)}
    tags = {f"v{version}": taken for version, taken in versions.items()}
    for alias, version in catalog.aliases(repo.learngene).items():
        if version in versions and is_revision_of(repo, alias):
            tags[alias] = versions[version]
    if repo.size is None:
        manifest = catalog.get(repo.learngene)
        for size in offered(manifest, fitted_sizes(manifest, catalog, names=names)):
            for keys in KEYS:
                place = Place(manifest.version, size, keys)
                taken = snapshot(repo, place, manifest, catalog=catalog, snapshots=snapshots)
                if taken is not None:
                    tags[of_size(size, keys).name] = taken
    return {
        "branches": [_ref("heads", MAIN, main)],
        "tags": [_ref("tags", name, taken) for name, taken in tags.items()],
        "converts": [],
        "pullRequests": [],
    }


def commits(found: Snapshot, *, catalog: Catalog, snapshots: Snapshots) -> list[dict[str, Any]]:
    """The commit itself and those of the versions before it, at its size."""
    place = found.place
    size = of_size(place.size, place.keys)
    older = _versions(found.repo, catalog, snapshots, catalog.names(), size=size, before=place.version)
    return [commit(found), *map(commit, older)]


def _versions(
    repo: Repo,
    catalog: Catalog,
    snapshots: Snapshots,
    names: Sequence[str],
    *,
    size: Sized | None = None,
    before: int | None = None,
) -> Iterator[Snapshot]:
    """A repository at every version of its learngene that has its size, newest first."""
    numbers = [number for number in catalog.versions(repo.learngene) if before is None or number < before]
    blocks = 0
    for number in reversed(numbers[-NEWEST:]):
        manifest = _manifest(f"{repo.learngene}@{number}", catalog)
        if manifest is None:
            continue
        wanted = size or repo.size
        if wanted is None:
            wanted = of_size(main_size(manifest, fitted_sizes(manifest, catalog, names=names)), "timm")
        blocks += wanted.depth
        if blocks > max(MOST_BLOCKS, wanted.depth):
            return
        place = Place(number, Size(wanted.depth, wanted.width), wanted.keys)
        taken = snapshot(repo, place, manifest, catalog=catalog, snapshots=snapshots)
        if taken is not None:
            yield taken


def _manifest(reference: str, catalog: Catalog) -> Manifest | None:
    """The manifest of a version; None if it can't be had, or was taken back."""
    try:
        return None if catalog.yanks.has(reference) else catalog.get(reference)
    except StoreUnavailable:
        raise
    except LearngenesError:
        return None


def _ref(kind: str, name: str, taken: Snapshot) -> dict[str, str]:
    return {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": taken.id}

"""A commit of a repository: what is said of every file of it, and the bytes of all but the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from learngenes import recipe as recipes
from learngenes.card import front_matter
from learngenes.catalog import Catalog
from learngenes.descendant import files
from learngenes.families import architectures
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.initialize import initialize
from learngenes.ready import ready
from learngenes.recent import Recent
from learngenes.recipe import Recipe, file_layout
from learngenes_service.hub.addresses import Repo
from learngenes_service.hub.commits import Place, commit_id, git_oid
from learngenes_service.hub.refusals import repo_missing

CARD = "README.md"
SHOWN = ("architecture", "architectures", "model_type")
"""What of config.json a hub's pages show."""

KEPT_SNAPSHOTS = 20_000
KEPT_FACTS_BYTES = 64 << 20
FACTS_BYTES = 3000
"""Of one commit in memory, its card's facts aside."""

KEPT_FILES_BYTES = 32 << 20
"""Small files held in memory: of some 1000 descendants of depth 9, or 30 of the deepest."""


@dataclass(frozen=True, slots=True)
class Small:
    """Bytes of a small file, and what git calls it."""

    size: int
    oid: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """id: of the commit. learngene: which answers; weights: bytes of their file.

    heads: None where the architecture has none of its own; card: its front matter; config: of it what is shown; small:
    every other file by name.
    """

    id: str
    repo: Repo
    place: Place
    learngene: str
    weights: int
    dtype: str
    parameters: int
    heads: int | None
    card: Mapping[str, Any]
    config: Mapping[str, Any]
    small: Mapping[str, Small]

    @property
    def measured(self) -> bool:
        """Whether somebody measured a descendant of this size."""
        return "model-index" in self.card


class Snapshots:
    """Commits that were asked for of late; all others are computed again. Safe to use from several threads.

    What is said of a commit takes little room and is kept for long, the bytes of its files for as long as they fit.
    """

    def __init__(self) -> None:
        self._kept: Recent[tuple[str, Place, str], Snapshot] = Recent(KEPT_SNAPSHOTS, weight=KEPT_FACTS_BYTES)
        self._small: Recent[str, Mapping[str, bytes]] = Recent(KEPT_SNAPSHOTS, weight=KEPT_FILES_BYTES)

    def known(self, repo: Repo, place: Place, chosen: Manifest) -> Snapshot | None:
        """The commit, if it is remembered. chosen: the learngene that answers, a fitted one perhaps."""
        return self._kept.get((repo.id, place, chosen.reference))

    def take(self, repo: Repo, place: Place, recipe: Recipe, chosen: Manifest) -> Snapshot:
        """The commit of this recipe. Refused if its numbers have no room in an id."""
        known = self.known(repo, place, chosen)
        if known is not None:
            return known
        if not place.fits:
            raise repo_missing(f"{chosen.reference} at {place.size} is too large to have an address here")
        digest = recipes.digest(recipe)
        raw = files(recipe, chosen, id=digest)
        small = {name: Small(len(content), git_oid(content)) for name, content in raw.items()}
        card, config = front_matter(raw[CARD]), json.loads(raw["config.json"])
        geometry = recipe.geometry
        taken = Snapshot(
            id=commit_id(repo.id, place, recipe=digest, oids={name: one.oid for name, one in small.items()}),
            repo=repo,
            place=place,
            learngene=chosen.reference,
            weights=file_layout(recipe).size,
            dtype=recipe.dtype,
            parameters=architectures.parameters(geometry),
            heads=geometry.heads if isinstance(geometry, Geometry) else None,
            card=card,
            config={name: config[name] for name in SHOWN if name in config},
            small=small,
        )
        self._kept.put((repo.id, place, chosen.reference), taken, weight=FACTS_BYTES + 2 * len(json.dumps(card)))
        self._small.put(taken.id, raw, weight=sum(map(len, raw.values())))
        return taken

    def of(self, repo: Repo, place: Place, manifest: Manifest, catalog: Catalog) -> Snapshot:
        """The commit of a size, without assembling or keeping the descendant; raises what `initialize` does."""
        chosen = ready(catalog, manifest, place.request)
        return self.known(repo, place, chosen) or self.take(repo, place, initialize(chosen, place.request), chosen)

    def files(self, snapshot: Snapshot, chosen: Manifest) -> Mapping[str, bytes]:
        """The small files of a commit, made again if need be. chosen: see `known`."""
        raw = self._small.get(snapshot.id)
        if raw is None:
            recipe = initialize(chosen, snapshot.place.request)
            raw = files(recipe, chosen, id=recipes.digest(recipe))
            self._small.put(snapshot.id, raw, weight=sum(map(len, raw.values())))
        return raw

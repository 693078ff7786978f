"""What a caller's catalog offers, by one look at the store; and what was worked out for as long as that stays so."""

from __future__ import annotations

from functools import cache
from weakref import WeakKeyDictionary

from learngenes.budget.exclusions import Budget
from learngenes.budget.ranking import Ranking, plan
from learngenes.catalog import Catalog
from learngenes.errors import LearngenesError
from learngenes.gene import Manifest
from learngenes.recent import Recent

KEPT_RANKINGS = 64

Key = tuple[tuple[str, ...], Budget, str, int]


def manifests(catalog: Catalog) -> list[Manifest]:
    """What every name stands for, by name; without what was taken back whole and what can't be read."""
    versions, found = catalog.newest(), []
    for name in catalog.names():
        newest = f"{name}@{versions.get(name, 0)}"
        try:
            found.append(catalog.get(name if catalog.yanks.has(newest) else newest))
        except LearngenesError:
            continue
    return found


def ranking(catalog: Catalog, budget: Budget, *, dtype: str, limit: int) -> Ranking:
    """As POST /v1/plan ranks; worked out again once something was published, hidden or taken back."""
    offered = manifests(catalog)
    key = (tuple(manifest.reference for manifest in offered), budget, dtype, limit)
    kept = _rankings().setdefault(catalog, Recent(KEPT_RANKINGS, weight=KEPT_RANKINGS))
    found = kept.get(key)
    if found is None:
        found = plan(offered, budget, dtype=dtype, limit=limit, fitted=catalog.fitted)
        kept.put(key, found)
    return found


@cache
def _rankings() -> WeakKeyDictionary[Catalog, Recent[Key, Ranking]]:
    return WeakKeyDictionary()

"""A zoo of tiny learngenes, and how its hub is asked over plain HTTP."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import factories
import httpx
from cases import wave
from e2e.test_fitted import SIZE, fit

from learngenes.catalog import Catalog
from learngenes.gene import Manifest, Quality
from learngenes.sizes import SizeSpace, Steps
from learngenes.store.local import LocalStore

Start = Callable[..., AbstractContextManager[Any]]
ONE, NATIVE, ALL = "tiny/depth6-width32", "tiny/depth6-width32-hf", "tiny/tiny"
STARTER = "sws-small-cifar100"
SHIPPED = (STARTER, "wave-cifar100")
SECRETS = {"zz-secret", "zz-wave"}
HIDDEN = f"zz-wave-depth{SIZE.depth}-width{SIZE.width}"
"""Fitted to a size of a private learngene, and so private by another's mark."""

HUB_TOKEN = "hf_" + "a" * 34
PLACES = [(ONE, "main"), (NATIVE, "main"), (ALL, "main"), (ALL, "depth3-width32"), (ONE, "v1"), (ALL, "first")]
MEASURED = Quality(6, 32, "digits", "test", "top1", 0.5, 100, 0, 0, "by hand")
READ_LIKE_OTHERS = {"v2": 1, "v9": 2, "main": 1, "d3-w32": 1, "0" * 40: 1}
"""Aliases of long ago, which nobody could give now."""


def published() -> list[tuple[Manifest, bytes]]:
    """A learngene in two versions, of which the first takes one width; private ones; some that have to be fitted.

    The own size of `stored` has to be fitted.
    """
    newest, raw = factories.learngene(version=2)
    oldest = replace(newest, version=1, space=SizeSpace(newest.space.depth, Steps(32, 32)))
    secret = factories.learngene(name="zz-secret", seed=1)
    waves = [wave.make(name="wave"), wave.make(name="stored", sizes=((2, 32),)), wave.make(name="zz-wave")]
    return [(oldest, raw), (replace(newest, quality=(MEASURED,)), raw), secret, *waves]


def fill(data: Path) -> Catalog:
    store = LocalStore(data / "store")
    catalog = factories.catalog(None, *published(), store=store)
    fit(catalog, catalog.get("zz-wave"), SIZE)
    catalog.move_alias("tiny", "first", 1)
    for alias, version in READ_LIKE_OTHERS.items():
        store.create(f"aliases/tiny/{alias}/1", [str(version).encode()])
    for name in SECRETS:
        catalog.set_private(name, True)
    return catalog


def address(repo: str, revision: str = "main", name: str = "model.safetensors") -> str:
    return f"/{repo}/resolve/{revision}/{name}"


def commit_of(hub: httpx.Client, repo: str, revision: str = "main") -> str:
    return hub.head(address(repo, revision, "config.json")).headers["x-repo-commit"]


def tree_of(hub: httpx.Client, repo: str, revision: str = "main") -> dict[str, Any]:
    return {entry["path"]: entry for entry in hub.get(f"/api/models/{repo}/tree/{revision}?recursive=true").json()}


def kept(data: Path, folder: str) -> int:
    """How much of a kind is in the store."""
    return len(list(LocalStore(data / "store").keys(folder)))

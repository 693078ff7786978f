"""Repositories in JSON, as the hub's API tells of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from learngenes_service.descendants.document import WEIGHTS
from learngenes_service.hub.commits import git_oid, lfs_pointer
from learngenes_service.hub.snapshots import Snapshot

NO_DATE = "1970-01-01T00:00:00.000Z"
"""A commit follows from what is in it; nobody wrote down when it was made."""


def info(snapshot: Snapshot, *, private: bool, sha256: str | None = None) -> dict[str, Any]:
    """All that is said of a repository at a commit. sha256: of the weights, if files are to be told in full."""
    card, repo = snapshot.card, snapshot.repo
    return {
        "_id": hashlib.sha256(repo.id.encode()).hexdigest()[:24],
        "id": repo.id,
        "modelId": repo.id,
        "author": repo.learngene,
        "sha": snapshot.id,
        "lastModified": NO_DATE,
        "createdAt": NO_DATE,
        "private": private,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "downloadsAllTime": 0,
        "likes": 0,
        "trendingScore": 0,
        "library_name": card.get("library_name"),
        "pipeline_tag": card.get("pipeline_tag"),
        "tags": tags(card),
        "cardData": card,
        "model-index": card.get("model-index"),
        "config": snapshot.config,
        "safetensors": {"parameters": {snapshot.dtype: snapshot.parameters}, "total": snapshot.parameters},
        "siblings": _siblings(snapshot, sha256),
        "spaces": [],
        "usedStorage": snapshot.weights + sum(file.size for file in snapshot.small.values()),
    }


def expanded(document: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, Any]:
    """Only what is wanted, and who it is; everything if nothing is named."""
    keys = {*wanted}
    return {name: value for name, value in document.items() if not keys or name in keys or name in ("_id", "id")}


def tags(card: Mapping[str, Any]) -> list[str]:
    """By what a repository is found: the card's own tags, and its facts as the hub spells them."""
    found = [*card["tags"], *(card[name] for name in ("library_name", "pipeline_tag") if name in card)]
    found += [f"dataset:{name}" for name in card.get("datasets", ())]
    found += [f"{name}:{card[name]}" for name in ("base_model", "license") if name in card]
    return list(dict.fromkeys(found))


def tree(snapshot: Snapshot, *, sha256: str, expand: bool = False) -> list[dict[str, Any]]:
    """Every file by name; small ones with what git calls them, the weights with their sha256."""
    pointer = lfs_pointer(sha256, snapshot.weights)
    weights = {"oid": sha256, "size": snapshot.weights, "pointerSize": len(pointer)}
    entries = [
        {"type": "file", "path": name, "size": file.size, "oid": file.oid} for name, file in snapshot.small.items()
    ]
    entries.append({"type": "file", "path": WEIGHTS, "size": snapshot.weights, "oid": git_oid(pointer), "lfs": weights})
    if expand:
        last = {"id": snapshot.id, "title": title(snapshot), "date": NO_DATE}
        entries = [entry | {"lastCommit": last} for entry in entries]
    return sorted(entries, key=lambda entry: str(entry["path"]))


def commit(snapshot: Snapshot) -> dict[str, Any]:
    """One line of a repository's history."""
    return {
        "id": snapshot.id,
        "title": title(snapshot),
        "message": "",
        "authors": [{"user": snapshot.repo.learngene}],
        "date": NO_DATE,
    }


def title(snapshot: Snapshot) -> str:
    """What a commit is."""
    size = snapshot.place.size
    return f"Depth {size.depth}, width {size.width} of {snapshot.learngene}"


def _siblings(snapshot: Snapshot, sha256: str | None) -> list[dict[str, Any]]:
    if sha256 is None:
        return [{"rfilename": name} for name in sorted([*snapshot.small, WEIGHTS])]
    return [_sibling(entry) for entry in tree(snapshot, sha256=sha256)]


def _sibling(entry: Mapping[str, Any]) -> dict[str, Any]:
    row = {"rfilename": entry["path"], "size": entry["size"], "blobId": entry["oid"]}
    if "lfs" in entry:
        lfs = entry["lfs"]
        row["lfs"] = {"sha256": lfs["oid"], "size": lfs["size"], "pointerSize": lfs["pointerSize"]}
    return row

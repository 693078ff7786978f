"""The descendant document: what the library knows of it, plus id, files and ways to load it."""

from __future__ import annotations

import hashlib
from typing import Any

from learngenes import recipe as recipes
from learngenes.descendant import document, timm_config
from learngenes_service.state import Descendant, Shelf

WEIGHTS = "model.safetensors"


def url_of(id: str, name: str) -> str:
    """Where a file of a descendant is, from the root of the service."""
    return f"/v1/descendants/{id}/{name}"


def small_files(descendant: Descendant) -> dict[str, bytes]:
    """Every file of a descendant but its weights."""
    return {
        "config.json": timm_config(descendant.recipe, descendant.manifest, id=descendant.file.id),
        "recipe.json": recipes.to_json(descendant.recipe),
    }


def file_name(descendant: Descendant) -> str:
    """What a download is called: `<learngene>-v<version>-depth9-width384.safetensors`."""
    geometry, manifest = descendant.recipe.geometry, descendant.manifest
    return f"{manifest.name}-v{manifest.version}-depth{geometry.depth}-width{geometry.width}.safetensors"


async def describe(descendant: Descendant, shelf: Shelf, *, base_url: str) -> dict[str, Any]:
    """The whole document. The first time it reads the virtual file once, for its sha256."""
    id = descendant.file.id
    files = [_file(id, WEIGHTS, descendant.file.size, await shelf.sha256(descendant))]
    for name, raw in small_files(descendant).items():
        files.append(_file(id, name, len(raw), hashlib.sha256(raw).hexdigest()))
    facts = document(descendant.recipe, descendant.manifest)
    return {"id": id, **facts, "files": files, "snippets": _snippets(descendant, base_url)}


def _file(id: str, name: str, size: int, sha256: str) -> dict[str, Any]:
    return {"name": name, "bytes": size, "sha256": sha256, "url": url_of(id, name)}


def _snippets(descendant: Descendant, base_url: str) -> dict[str, str]:
    return {
        "curl": f"curl -fLo {WEIGHTS} {base_url}{url_of(descendant.file.id, WEIGHTS)}",
        "python": (
            f"from learngenes_client import Client\n"
            f"model = Client({base_url!r}).fetch_descendant({descendant.file.id!r}).to_timm()"
        ),
    }

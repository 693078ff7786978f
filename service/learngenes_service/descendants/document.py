"""The descendant document: what the library knows of it, plus id, files and ways to load it."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from learngenes.descendant import document, files
from learngenes.families.vit import Geometry
from learngenes.sizes import Size
from learngenes_service.memory import Descendant

WEIGHTS = "model.safetensors"


def url_of(id: str, name: str) -> str:
    """Where a file of a descendant is, from the root of the service."""
    return f"/v1/descendants/{id}/{name}"


def small_files(descendant: Descendant) -> dict[str, bytes]:
    """Every file of a descendant but its weights."""
    return files(descendant.recipe, descendant.manifest, id=descendant.file.id)


def file_name(descendant: Descendant) -> str:
    """What a download is called: `<learngene>-v<version>-depth9-width384.safetensors`; a fitted one by its parent."""
    geometry, manifest = descendant.recipe.geometry, descendant.manifest
    size = Size(geometry.depth, geometry.width)
    reference = manifest.reference if manifest.parent is None else manifest.parent.learngene
    return f"{reference.replace('@', '-v')}-{size.name}.safetensors"


async def describe(descendant: Descendant, *, base_url: str, sha256: str | None) -> dict[str, Any]:
    """The whole document. sha256: of the weights file; None while nobody has read it whole."""
    return await asyncio.to_thread(_describe, descendant, base_url, sha256)


def _describe(descendant: Descendant, base_url: str, sha256: str | None) -> dict[str, Any]:
    id = descendant.file.id
    rows = [_file(id, WEIGHTS, descendant.file.size, sha256)]
    for name, raw in small_files(descendant).items():
        rows.append(_file(id, name, len(raw), hashlib.sha256(raw).hexdigest()))
    facts = document(descendant.recipe, descendant.manifest)
    return {"id": id, **facts, "files": rows, "snippets": _snippets(descendant, base_url)}


def _file(id: str, name: str, size: int, sha256: str | None) -> dict[str, Any]:
    return {"name": name, "bytes": size, "sha256": sha256, "url": url_of(id, name)}


def _snippets(descendant: Descendant, base_url: str) -> dict[str, str]:
    plain = isinstance(descendant.recipe.geometry, Geometry)
    loaded = f"fetched.to_{descendant.recipe.keys}()" if plain else "load_model(fetched.path.parent)"
    python = ["from learngenes_client import Client"]
    python += [] if plain else ["from learngenes.training.loaders import load_model"]
    python += [
        f"with Client({base_url!r}) as client:",
        f"    fetched = client.fetch_descendant({descendant.file.id!r})",
        f"model = {loaded}",
    ]
    return {
        "curl": f"curl -fLo {WEIGHTS} {base_url}{url_of(descendant.file.id, WEIGHTS)}",
        "python": "\n".join(python),
    }

"""What can be said of a descendant before a byte of it is read: report, lineage, configuration for timm."""

from __future__ import annotations

import json
import math
from typing import Any

from learngenes.families import vit
from learngenes.gene import Manifest
from learngenes.recipe import Fill, Recipe, Stored

CONFIG_KEY = "learngenes"
"""Our own data at the root of config.json, where every reader ignores it."""


def init_report(recipe: Recipe, manifest: Manifest) -> dict[str, Any]:
    """How many tensors and parameters are copied, computed, resized and fresh, and why the fresh ones are."""
    report: dict[str, Any] = {
        kind: {"tensors": 0, "parameters": 0} for kind in ("copied", "computed", "resized", "fresh")
    }
    for entry in recipe.entries:
        kind = "copied" if isinstance(entry.source, Stored) else "fresh"
        report[kind]["tensors"] += 1
        report[kind]["parameters"] += math.prod(entry.shape)
    fresh = [entry.name for entry in recipe.entries if isinstance(entry.source, Fill)]
    classes, own = recipe.geometry.classes, manifest.geometry.classes
    report["notes"] = (
        [f"{' and '.join(fresh)} are fresh: {classes} classes were asked for, the learngene knows {own}"]
        if fresh
        else []
    )
    return report


def lineage(recipe: Recipe) -> list[dict[str, Any]]:
    """For every tensor where its values come from."""
    rows: list[dict[str, Any]] = []
    for entry in recipe.entries:
        match entry.source:
            case Stored(name):
                rows.append({"tensor": entry.name, "stored": name})
            case Fill(init, seed):
                rows.append({"tensor": entry.name, "fill": init, "seed": seed})
    return rows


def document(recipe: Recipe, manifest: Manifest) -> dict[str, Any]:
    """The descendant in JSON, without what depends on where it is served: id, files, snippets."""
    geometry = recipe.geometry
    quality = [
        {name: getattr(q, name) for name in q.__slots__}
        for q in manifest.quality
        if (q.depth, q.width) == (geometry.depth, geometry.width)
    ]
    return {
        "learngene": recipe.learngene,
        "method": manifest.method,
        "family": recipe.family,
        "size": {"depth": geometry.depth, "width": geometry.width},
        "dtype": recipe.dtype,
        "keys": recipe.keys,
        "num_classes": geometry.classes,
        "params": vit.parameters(geometry),
        "macs": vit.macs(geometry),
        "quality": quality,
        "init_report": init_report(recipe, manifest),
        "layer_map": list(recipe.layer_map),
        "lineage": lineage(recipe),
        "license": manifest.license,
        "data_license": manifest.data_license,
    }


def timm_config(recipe: Recipe, manifest: Manifest, *, id: str) -> bytes:
    """config.json: loads in timm from 0.9.12 on and through transformers' TimmWrapper.

    timm raises TypeError for an unknown key in pretrained_cfg or model_args, and TimmWrapper for `num_classes` in
    model_args: our own facts stand at the root. Labels are given only if the head is the learngene's own.
    """
    geometry, normalization = recipe.geometry, manifest.normalization
    size = [geometry.channels, geometry.image, geometry.image]
    labels = list(manifest.labels) if manifest.labels and geometry.classes == manifest.geometry.classes else None
    config = {
        "architecture": vit.timm_architecture(geometry),
        "num_classes": geometry.classes,
        "num_features": geometry.width,
        "global_pool": geometry.pool,
        "model_args": vit.timm_arguments(geometry),
        "pretrained_cfg": {
            "tag": manifest.reference.replace("@", "_"),
            "custom_load": False,
            "input_size": size,
            "fixed_input_size": True,
            "interpolation": normalization.interpolation,
            "crop_pct": normalization.crop_pct,
            "crop_mode": "center",
            "mean": list(normalization.mean),
            "std": list(normalization.std),
            "num_classes": geometry.classes,
            "label_names": labels,
            "pool_size": None,
            "first_conv": "patch_embed.proj",
            "classifier": "head",
            "license": manifest.license,
            "description": f"ViT of depth {geometry.depth}, width {geometry.width} from {recipe.learngene}",
        },
        CONFIG_KEY: {
            "id": id,
            "learngene": recipe.learngene,
            "method": manifest.method,
            "layer_map": list(recipe.layer_map),
            "params": vit.parameters(geometry),
        },
    }
    return json.dumps(config, indent=2).encode() + b"\n"

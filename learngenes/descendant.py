"""What can be said of a descendant before a byte of it is read: its document, and its files beside the weights."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from learngenes import recipe as recipes
from learngenes.card import descendant_card, measured_at
from learngenes.families import architectures, transformers, vit
from learngenes.families.architectures import CONFIG_KEY
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.recipe import Recipe
from learngenes.report import init_report, lineage


def document(recipe: Recipe, manifest: Manifest) -> dict[str, Any]:
    """The descendant in JSON, without what depends on where it is served: id, files, snippets."""
    geometry = recipe.geometry
    return {
        "learngene": recipe.learngene,
        "method": manifest.method,
        "family": recipe.family,
        "size": {"depth": geometry.depth, "width": geometry.width},
        "dtype": recipe.dtype,
        "keys": recipe.keys,
        "num_classes": geometry.classes,
        "params": architectures.parameters(geometry),
        "macs": architectures.macs(geometry),
        "quality": [asdict(measurement) for measurement in measured_at(recipe, manifest)],
        "init_report": init_report(recipe, manifest),
        "layer_map": list(recipe.layer_map),
        "lineage": lineage(recipe),
        "license": manifest.license,
        "data_license": manifest.data_license,
    }


def files(recipe: Recipe, manifest: Manifest, *, id: str) -> dict[str, bytes]:
    """Every file of a descendant but its weights. id: the recipe's digest."""
    made = {
        "config.json": model_config(recipe, manifest, id=id),
        "recipe.json": recipes.to_json(recipe),
        "README.md": descendant_card(recipe, manifest, id=id),
    }
    if recipe.keys == "transformers":
        made["preprocessor_config.json"] = _preprocessor(recipe, manifest)
    return made


def model_config(recipe: Recipe, manifest: Manifest, *, id: str) -> bytes:
    """config.json: what timm or transformers loads, whose names the tensors have.

    For a network that is no plain ViT what training.loaders.load_model does.
    """
    geometry = recipe.geometry
    own: dict[str, Any] = {
        "id": id,
        "learngene": recipe.learngene,
        "method": manifest.method,
        "layer_map": list(recipe.layer_map),
        "params": architectures.parameters(geometry),
    }
    config: dict[str, Any]
    if isinstance(geometry, Geometry) and recipe.keys == "transformers":
        config = transformers.config(geometry, dtype=recipe.dtype, labels=_labels(recipe, manifest))
        config[CONFIG_KEY] = own
    elif isinstance(geometry, Geometry):
        config = _timm_config(geometry, recipe, manifest) | {CONFIG_KEY: own}
    else:
        config = {"num_classes": geometry.classes, "num_features": geometry.width}
        config[CONFIG_KEY] = own | {"family": recipe.family, "geometry": asdict(geometry)}
    return json.dumps(config, indent=2).encode() + b"\n"


def _timm_config(geometry: Geometry, recipe: Recipe, manifest: Manifest) -> dict[str, Any]:
    """Loads in timm from 0.9.12 on and through transformers' TimmWrapper.

    timm raises TypeError for an unknown key in pretrained_cfg or model_args, and TimmWrapper for `num_classes` in
    model_args: our own facts stand at the root. Labels are given only if the head is the learngene's own.
    """
    normalization = manifest.normalization
    mean, std = _per_channel(normalization.mean, geometry), _per_channel(normalization.std, geometry)
    size = [geometry.channels, geometry.image, geometry.image]
    labels = _labels(recipe, manifest)
    return {
        "architecture": vit.timm_architecture(geometry),
        "num_classes": geometry.classes,
        "num_features": geometry.width,
        "global_pool": geometry.pool,
        "label_names": list(labels) or None,  # where TimmWrapper looks for them; timm takes them from here, too
        "model_args": vit.timm_arguments(geometry),
        "pretrained_cfg": {
            "tag": manifest.reference.replace("@", "_"),
            "custom_load": False,
            "input_size": size,
            "fixed_input_size": True,
            "interpolation": normalization.interpolation,
            "crop_pct": normalization.crop_pct,
            "crop_mode": "center",
            "mean": mean,
            "std": std,
            "num_classes": geometry.classes,
            "label_names": list(labels) or None,
            "pool_size": None,
            "first_conv": "patch_embed.proj",
            "classifier": "head",
            "license": manifest.license,
            "description": f"ViT of depth {geometry.depth}, width {geometry.width} from {recipe.learngene}",
        },
    }


def _labels(recipe: Recipe, manifest: Manifest) -> tuple[str, ...]:
    """Names of the classes, if the head is the learngene's own or made by names."""
    return recipe.labels or (manifest.labels if recipe.geometry.classes == manifest.geometry.classes else ())


def _preprocessor(recipe: Recipe, manifest: Manifest) -> bytes:
    """preprocessor_config.json: the same preparation of images for transformers."""
    geometry, normalization = recipe.geometry, manifest.normalization
    assert isinstance(geometry, Geometry)
    side = {"height": geometry.image, "width": geometry.image}
    table: dict[str, Any] = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": side,
        "resample": {"bilinear": 2, "bicubic": 3}[normalization.interpolation],
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": _per_channel(normalization.mean, geometry),
        "image_std": _per_channel(normalization.std, geometry),
    }
    if normalization.crop_pct != 1.0:  # ViTImageProcessor does not crop; this one resizes and crops as timm does
        larger = {"shortest_edge": math.floor(geometry.image / normalization.crop_pct)}
        table |= {"image_processor_type": "CLIPImageProcessor", "size": larger, "do_center_crop": True}
        table["crop_size"] = side
    return json.dumps(table, indent=2).encode() + b"\n"


def _per_channel(values: tuple[float, ...], geometry: Geometry) -> list[float]:
    """One value a channel: repeated, or for a single channel the mean of them all."""
    if geometry.channels == len(values):
        return list(values)
    if geometry.channels == 1:
        return [math.fsum(values) / len(values)]
    return [values[i % len(values)] for i in range(geometry.channels)]

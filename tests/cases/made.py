"""A learngene of any method from its geometry, tensor shapes and facts: random values, the same every time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import timm
import torch

from learngenes import gene, tensorfile
from learngenes.descendant import model_config
from learngenes.families import vit
from learngenes.families.vit import Geometry, Shape
from learngenes.gene import Manifest, Normalization, Parent
from learngenes.recipe import Recipe
from learngenes.sizes import SizeSpace
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile, Tensors
from learngenes.zoo import METHODS

TINY = Geometry(depth=6, width=32, heads=4, patch=4, image=8, classes=10)
"""Head dimension 8: widths 8, 16, 24 and 32 can be picked from it."""


def learngene(
    method: str,
    shapes: Mapping[str, Shape],
    *,
    geometry: Geometry = TINY,
    facts: Mapping[str, Any] | None = None,
    rankings: Mapping[str, int] | None = None,
    labels: tuple[str, ...] = (),
    name: str = "tiny",
    version: int = 1,
    dtype: str = "F32",
    seed: int = 0,
    space: SizeSpace | None = None,
    parent: Parent | None = None,
) -> tuple[Manifest, bytes]:
    """The manifest and the bytes of its safetensors file.

    shapes: of the float tensors; rankings: name and length of stored importance rankings.
    """
    draw = np.random.default_rng(seed)
    values: dict[str, Any] = {
        tensor: draw.normal(0.0, 0.1, shapes[tensor]).astype(np.float32) for tensor in sorted(shapes)
    }
    values |= {tensor: draw.permutation(n).astype(np.int32) for tensor, n in sorted((rankings or {}).items())}
    raw = b"".join(tensorfile.write(values, dtype))
    known = METHODS[method]
    manifest = Manifest(
        name=name,
        version=version,
        method=method,
        method_version=known.version,
        family="vit",
        geometry=geometry,
        space=space or known.space(geometry, dict(facts or {})),
        varies=known.varies,
        method_facts=dict(facts or {}),
        weights=gene.weigh(TensorFile(raw)),
        normalization=Normalization(mean=(0.5,) * geometry.channels, std=(0.5,) * geometry.channels),
        labels=labels,
        parent=parent,
    )
    return manifest, raw


def staged(
    geometry: Geometry = TINY, *, stages: tuple[int, ...] = (2, 2, 2), scores: bool = False, **more: Any
) -> tuple[Manifest, bytes]:
    """An SWS learngene: a layer for every stage. With a stage for every layer it stands for a whole parent network.

    scores: with rankings of importance; more: further arguments of `learngene`.
    """
    shapes = vit.frame_shapes(geometry)
    rankings = {"rankings.res": geometry.width}
    for stage in range(len(stages)):
        shapes |= {f"stages.{stage}.{name}": shape for name, shape in vit.block_shapes(geometry).items()}
        rankings |= {
            f"rankings.stages.{stage}.heads": geometry.heads,
            f"rankings.stages.{stage}.hidden": geometry.hidden,
        }
    facts = {"stages": list(stages)}
    kept = rankings if scores else None
    return learngene("sws", shapes, geometry=geometry, facts=facts, rankings=kept, **more)


def network(recipe: Recipe, manifest: Manifest, tensors: Tensors, folder: Path) -> torch.nn.Module:
    """The descendant as its users load it, from its file and config.json in an existing folder: with timm, or ours."""
    file = assemble(recipe, tensors)
    config = model_config(recipe, manifest, id=file.id)
    raw = b"".join(stream(file))
    if recipe.family != "vit":
        from learngenes.training.loaders import load_model

        (folder / "model.safetensors").write_bytes(raw)
        (folder / "config.json").write_bytes(config)
        return load_model(folder).eval()
    table = json.loads(config)
    with torch.device("meta"):
        model = timm.create_model(table["architecture"], num_classes=table["num_classes"], **table["model_args"])
    model.load_state_dict(safetensors.torch.load(raw), strict=True, assign=True)
    return model.float().eval()


def logits(recipe: Recipe, manifest: Manifest, tensors: Tensors, folder: Path) -> torch.Tensor:
    """What the loaded descendant says of two images, (2, classes); all finite."""
    geometry = recipe.geometry if isinstance(recipe.geometry, Geometry) else manifest.geometry
    shape = (2, geometry.channels, geometry.image, geometry.image)
    images = torch.linspace(-1, 1, int(np.prod(shape))).reshape(shape)
    with torch.inference_mode():
        said: torch.Tensor = network(recipe, manifest, tensors, folder)(images)
    assert torch.isfinite(said).all()
    return said

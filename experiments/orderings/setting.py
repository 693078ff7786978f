"""What is learned and what is measured: networks, images, recipes, and the rows of the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from learngenes.families.vit import Geometry
from learngenes.job import AncestorOptions, DataOptions, TrainingOptions

GEOMETRY = Geometry(depth=16, width=64, heads=4, patch=7, image=28, classes=10, channels=1)
STAGES = (3, 3, 4, 3, 3)
DATA = DataOptions(
    train="parquet:fashion_mnist/train.parquet",
    test="parquet:fashion_mnist/test.parquet",
    mean=(0.286,),
    std=(0.353,),
    augment="light",
    padding=2,
    license="mit",
)
TRAINING = TrainingOptions(
    epochs=5,
    batch=128,
    learning_rate=2e-3,
    warmup_epochs=0.5,
    clip_grad=1.0,
    precision="bfloat16",
    fused_attention=False,
    report_seconds=30,
)
"""The same for every network that is learned."""
ANCESTOR = AncestorOptions(
    architecture="resnet10t",
    arguments={"stem_width": 16, "channels": [16, 32, 64, 128]},
    training=replace(TRAINING, epochs=4),
)
TUNING = replace(TRAINING, epochs=10, learning_rate=5e-4, min_lr=1e-6, warmup_epochs=0.0)
"""Of descendants at half width, on TUNING_IMAGES images, the same for every start."""
TUNING_IMAGES = 6000
DEPTHS = range(6, 17)
HALF = GEOMETRY.width // 2
FIT = {"steps": 200, "batch": 128, "images": TUNING_IMAGES}
WAVE_SIZES = ((6, 64), (9, 32), (12, 96))

UNTUNED: dict[str, tuple[str, dict[str, Any]]] = {
    "SWS": ("sws", {}),
    "SWS, order 2": ("sws", {"order": "front-last-mid"}),
    "SWS, random": ("sws", {"strategy": "random"}),
    "TLEG": ("tleg", {}),
    "first N of 16": ("selection", {"keep": "first"}),
    "middle-drop of 16": ("subcloning", {"keep": "middle-drop"}),
    "Simple-LG": ("simple", {}),
    "Vanilla-LG": ("vanilla", {}),
}
"""Rows measured at every depth: learngene and plan options."""
HALVES: dict[str, tuple[str, dict[str, Any]]] = {
    "selection, uniform": ("selection", {"select": "uniform"}),
    "selection, consecutive": ("selection", {"select": "consecutive"}),
    "selection, random": ("selection", {"select": "random"}),
    "selection, inconsistent": ("selection", {"select": "inconsistent"}),
    "subcloning": ("subcloning", {}),
    "subcloning, unscaled": ("subcloning", {"scale": "none"}),
    "subcloning, unordered": ("subcloning", {"select": "random"}),
}
"""Starts at half width and full depth; scratch comes first."""


def learnings(run: Path) -> Mapping[str, tuple[str, Geometry, dict[str, Any], AncestorOptions]]:
    """Method, geometry, options and ancestor of every learngene; the first trains the ancestor of all that imitate."""
    taught = AncestorOptions(
        architecture=ANCESTOR.architecture,
        arguments=ANCESTOR.arguments,
        checkpoint=str((run / "sws" / "ancestor.safetensors").absolute()),
    )
    whole = AncestorOptions(architecture="vit", checkpoint=str((run / "full" / "auxiliary.safetensors").absolute()))
    deep = GEOMETRY
    return {
        "sws": ("sws", deep, {"stages": list(STAGES)}, ANCESTOR),
        "full": ("sws", deep, {"stages": [1] * deep.depth}, taught),
        "tleg": ("tleg", replace(deep, depth=12), {}, taught),
        "simple": ("simple_lg", replace(deep, depth=len(STAGES)), {"stages": list(STAGES)}, taught),
        "wave": ("wave", replace(deep, depth=12), {"unit": HALF, "templates": 16, "widths": [HALF]}, taught),
        "selection": ("selection", deep, {}, whole),
        "subcloning": ("subcloning", deep, {"images": 1024}, whole),
        "vanilla": ("vanilla_lg", deep, {"blocks": 3}, whole),
    }

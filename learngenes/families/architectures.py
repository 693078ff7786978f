"""Every architecture a recipe can describe, behind one set of questions: names and shapes, parameters, cost.

`vit` is timm's own; the others are networks that no plain ViT can express, with a loader in training/loaders.py.
"""

from __future__ import annotations

import math
from typing import Literal

from learngenes.families import mini, stitched, vit
from learngenes.families.mini import MiniGeometry
from learngenes.families.stitched import StitchedGeometry
from learngenes.families.vit import Geometry, Shape

Family = Literal["vit", "stitched", "mini"]
Architecture = Geometry | StitchedGeometry | MiniGeometry

CONFIG_KEY = "learngenes"
"""Our own data at the root of a descendant's config.json, where every other reader ignores it."""


def family(architecture: Architecture) -> Family:
    """Which family this is one of."""
    match architecture:
        case Geometry():
            return "vit"
        case StitchedGeometry():
            return "stitched"
        case MiniGeometry():
            return "mini"


def shapes(architecture: Architecture) -> dict[str, Shape]:
    """Shapes of every tensor of the network, by its checkpoint's names."""
    match architecture:
        case Geometry():
            return vit.shapes(architecture)
        case StitchedGeometry():
            return stitched.shapes(architecture)
        case MiniGeometry():
            return mini.shapes(architecture)


def parameters(architecture: Architecture) -> int:
    """Number of parameters."""
    return sum(math.prod(shape) for shape in shapes(architecture).values())


def macs(architecture: Architecture) -> int:
    """Multiply-adds of one image: linear layers and attention."""
    match architecture:
        case Geometry():
            return vit.macs(architecture)
        case StitchedGeometry():
            return stitched.macs(architecture)
        case MiniGeometry():
            return mini.macs(architecture)

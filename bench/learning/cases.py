"""What is trained: networks, batches and precision, for a processor and for a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from learngenes.families.vit import Geometry

CLASSES = 100


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison. stages: of an auxiliary network of SWS, which then learns from a teacher; else a plain ViT.

    fused: the attention kernel, see TrainingOptions. steps: of each side in one turn; pairs: of turns.
    """

    what: str
    geometry: Geometry
    batch: int
    precision: Literal["float32", "bfloat16"]
    fused: bool
    steps: int
    pairs: int
    stages: tuple[int, ...] = ()
    teacher: Geometry | None = None


STAGES = (3, 3, 4, 3, 3)


def vit(depth: int, width: int, heads: int, *, image: int, patch: int) -> Geometry:
    """A ViT for 100 classes without a class token."""
    return Geometry(depth, width, heads, patch=patch, image=image, classes=CLASSES)


def on_processor(*, pairs: int) -> list[Case]:
    """For one thread: images of 32 pixels."""
    small, narrow = vit(12, 192, 3, image=32, patch=8), vit(16, 96, 3, image=32, patch=8)
    return [
        Case("plain ViT, depth 12, width 192", small, 128, "float32", False, 1, pairs),
        Case("plain ViT, depth 16, width 96", narrow, 128, "float32", False, 3, pairs),
        Case("SWS, depth 16, width 96, with a teacher", narrow, 128, "float32", False, 2, pairs, STAGES, small),
    ]


def on_gpu(*, pairs: int) -> list[Case]:
    """For one GPU: small images, where the steps are short, and large ones, where the GPU is busy."""
    tiny, small = vit(12, 192, 3, image=32, patch=4), vit(12, 384, 6, image=224, patch=16)
    deep = vit(16, 384, 6, image=224, patch=16)
    return [
        Case("plain ViT, depth 12, width 192, 32 px", tiny, 512, "bfloat16", True, 30, pairs),
        Case("plain ViT, depth 12, width 384, 224 px", small, 256, "bfloat16", True, 8, pairs),
        Case("SWS, depth 16, width 384, 224 px, with a teacher", deep, 256, "bfloat16", True, 6, pairs, STAGES, small),
    ]

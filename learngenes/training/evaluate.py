"""How accuracy is measured."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from learngenes.training.augment import Normalise
from learngenes.training.device import autocast


def accuracy(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], *, normalise: Normalise, precision: str = "float32"
) -> tuple[int, int]:
    """(correct, n): how many of n images get their label as the highest logit.

    batches: uint8 pixels (B, C, H, W) and labels (B). The model is set to evaluation and back to what it was.
    """
    device = normalise.scale.device
    before = model.training
    model.eval()
    correct = torch.zeros((), dtype=torch.int64, device=device)
    n = 0
    with torch.inference_mode(), autocast(device, precision):
        for pixels, labels in batches:
            answers = model(normalise(pixels.to(device))).argmax(-1)
            correct += (answers == labels.to(device)).sum()
            n += len(labels)
    model.train(before)
    return int(correct), n

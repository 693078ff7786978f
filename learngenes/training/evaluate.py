"""How accuracy is measured."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from learngenes.families.vit import Geometry
from learngenes.job import DataOptions, TrainingOptions
from learngenes.training.augment import Normalise, TestBatches
from learngenes.training.data import ImageSet
from learngenes.training.device import Place, autocast, loaded


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


class Examination:
    """Accuracy on a test set during training, shared out among the ranks."""

    def __init__(
        self, images: ImageSet, *, data: DataOptions, geometry: Geometry, training: TrainingOptions, place: Place
    ) -> None:
        self._batches = TestBatches(images, options=data, geometry=geometry)
        self._normalise = Normalise(data).to(place.device)
        self._training, self._place = training, place

    def __call__(self, model: nn.Module) -> tuple[int, int]:
        """(correct, n) over all ranks; every rank has to call it."""
        training, place = self._training, self._place
        place.align(model.buffers())  # running statistics of norms, which each rank has from its own images
        own = range(place.rank, len(self._batches), place.world)
        shown = (pair for _, pair in loaded(self._batches, own, workers=training.workers, place=place))
        counts = place.total([*accuracy(model, shown, normalise=self._normalise, precision=training.precision)])
        return int(counts[0]), int(counts[1])

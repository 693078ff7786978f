"""Batches by step number: what a step sees is a function of (seed, step) alone, whatever the workers or ranks.

The order of an epoch follows from (seed, epoch); how an image is varied from (seed, epoch, its position). So the step
number is all there is to save, and an interrupted run continues with the very batches it would have seen.
"""

# B batch, C channels, H height, W width

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import timm.data
import torch
from timm.data.random_erasing import RandomErasing
from torch import Tensor, nn

from learngenes.errors import BadData, InvalidValue
from learngenes.families.vit import Geometry
from learngenes.job import DataOptions, TrainingOptions
from learngenes.training.data import ImageSet, as_channels
from learngenes.training.resident import Batches, light

Places = np.ndarray[Any, np.dtype[np.intp]]
"""Positions in an epoch."""

_ORDER, _CROP, _IMAGE, _STEP, _RANK = range(5)
"""Keys that keep the uses of one seed apart."""


def seed_process(*key: int) -> None:
    """Set the generators of random, numpy and torch, which timm draws from, by a key of whole numbers.

    As torch.manual_seed does, without what that keeps for devices that were not started: a trace of the stack, which
    takes longer than all else here. Those of GPUs are set where a run has started them, see device.joined.
    """
    low, high = (int(v) for v in np.random.SeedSequence(key).generate_state(2))
    random.seed(low)
    np.random.seed(low)
    torch.default_generator.manual_seed(low | high << 32)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(low | high << 32)


class TrainingBatches(Batches):
    """Item `step` is this rank's share of that step's batch: uint8 (B, C, H, W) and labels (B).

    rank, world: the batch is dealt to `world` ranks, of which this is number `rank`. What mixup pairs, the first image
    of the batch with the last and so on inwards, stays together, so the same images are mixed on any number of ranks.
    """

    def __init__(
        self,
        images: ImageSet,
        *,
        options: DataOptions,
        geometry: Geometry,
        batch: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if batch % world:
            raise InvalidValue(f"a batch of {batch} does not divide among {world} ranks; change one of them")
        if len(images) < batch:
            raise BadData(f"{len(images)} training images are fewer than one batch of {batch}; lower batch")
        self._images, self._options, self._batch, self._seed = images, options, batch, seed
        self._places = _places(batch, rank, world)
        self._channels = geometry.channels
        self.epoch_steps = len(images) // batch
        self._epoch = -1
        self._transform: Any = None
        super().__init__(light(images, options, geometry))
        if self.resident is None:
            self._transform = _timm_transform(options, geometry.image, train=options.augment == "timm")

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        epoch, place = divmod(step, self.epoch_steps)
        if epoch != self._epoch:
            self._start(epoch)
        positions = place * self._batch + self._places
        if self.resident is None:
            return self._transformed(epoch, positions)
        at = torch.from_numpy(positions).to(self.resident.device, non_blocking=True)
        return self.resident.cut(*(drawn[at] for drawn in self._drawn))

    def settle(self, device: torch.device) -> bool:
        """As in Batches; the draws of an epoch go along."""
        self._epoch = -1
        return super().settle(device)

    def _start(self, epoch: int) -> None:
        """Draw the order of an epoch, and for light augmentation where each image is cut."""
        count, padding = len(self._images), self._options.padding
        order = np.random.default_rng((self._seed, _ORDER, epoch)).permutation(count)
        self._order = np.repeat(order, self._options.repeats)[:count]
        self._epoch = epoch
        if self.resident is None:
            return
        draws = np.random.default_rng((self._seed, _CROP, epoch))
        corner = draws.integers(0, 2 * padding + 1, size=(count, 2)) - padding
        flip = draws.random(count) < self._options.flip
        drawn = (self._order, corner[:, 0], corner[:, 1], flip)
        self._drawn = tuple(torch.from_numpy(values).to(self.resident.device) for values in drawn)

    def _transformed(self, epoch: int, at: Places) -> tuple[Tensor, Tensor]:
        batch, labels = [], []
        for position in at.tolist():
            image, label = self._images[int(self._order[position])]
            seed_process(self._seed, _IMAGE, epoch, position)
            batch.append(self._transform(as_channels(image, self._channels)))
            labels.append(label)
        return torch.stack(batch), torch.tensor(labels)


def _places(batch: int, rank: int, world: int) -> Places:
    """A rank's places in the batch: as many from the front as mirrored from the end; of an odd share, in a row."""
    share = batch // world
    if share % 2:
        return np.arange(rank * share, (rank + 1) * share)
    front = np.arange(rank * share // 2, (rank + 1) * share // 2)
    return np.concatenate([front, batch - 1 - front[::-1]])


class TestBatches(Batches):
    """All images in order, unvaried: uint8 (B, C, H, W) and labels (B); the last batch may be shorter.

    After `light` training an image is only resized; otherwise timm's resize and central crop.
    """

    __test__ = False

    def __init__(self, images: ImageSet, *, options: DataOptions, geometry: Geometry, batch: int = 250) -> None:
        self._images, self._batch, self._channels = images, batch, geometry.channels
        super().__init__(light(images, options, geometry))
        self._transform: Any = None
        if self.resident is None:
            self._transform = _timm_transform(options, geometry.image, train=False)

    def __len__(self) -> int:
        return -(-len(self._images) // self._batch)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        start, stop = index * self._batch, min((index + 1) * self._batch, len(self._images))
        if self.resident is not None:
            return self.resident.row(start, stop)
        items = [self._images[i] for i in range(start, stop)]
        batch = [self._transform(as_channels(image, self._channels)) for image, _ in items]
        return torch.stack(batch), torch.tensor([label for _, label in items])


class Normalise(nn.Module):
    """Pixels uint8 (B, C, H, W) to float32: (pixel / 255 - mean) / std. The only place where this happens."""

    def __init__(self, options: DataOptions) -> None:
        super().__init__()
        mean, std = torch.tensor(options.mean), torch.tensor(options.std)
        self.register_buffer("scale", (1 / (255 * std)).view(1, -1, 1, 1))
        self.register_buffer("shift", (-mean / std).view(1, -1, 1, 1))
        self.scale: Tensor
        self.shift: Tensor

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Normalised images, same shape and layout."""
        x_BHWC = x_BCHW.permute(0, 2, 3, 1)
        width, channels = x_BHWC.shape[2:]
        if channels == 1 or not x_BHWC.is_contiguous():
            return (x_BCHW * self.scale).add_(self.shift)
        # Whole rows at once: on a CPU torch is several times slower where the innermost axis is that of the channels.
        scale, shift = (values.view(channels).repeat(width) for values in (self.scale, self.shift))
        rows = (x_BHWC.flatten(2) * scale).add_(shift)
        return rows.view(x_BHWC.shape).permute(0, 3, 1, 2)


class Mixing:
    """Random erasing, mixup and cutmix of a normalised batch, drawn from (seed, step).

    Mixup and cutmix draw alike on every rank; what is erased (and paths dropped) follows from the rank too, so with
    these the result depends on the number of ranks.
    """

    def __init__(
        self, data: DataOptions, training: TrainingOptions, *, classes: int, seed: int, rank: int, device: torch.device
    ) -> None:
        self._seed, self._rank = seed, rank
        self._erase = RandomErasing(data.erase, mode="pixel", device=device) if data.erase else None
        self._mix = None
        if mixes(training):
            self._mix = timm.data.Mixup(
                mixup_alpha=training.mixup,
                cutmix_alpha=training.cutmix,
                label_smoothing=training.label_smoothing,
                num_classes=classes,
            )

    def __call__(self, x_BCHW: Tensor, labels_B: Tensor, *, step: int) -> tuple[Tensor, Tensor]:
        """Images, and labels (B) or, when mixed, class probabilities (B, classes); leaves the generators seeded."""
        seed_process(self._seed, _RANK, self._rank, step)
        if self._erase is not None:
            x_BCHW = self._erase(x_BCHW)
        if self._mix is not None:
            if len(x_BCHW) % 2:
                raise InvalidValue(
                    f"mixup pairs images; this rank's share of the batch is {len(x_BCHW)}, an odd number"
                )
            seed_process(self._seed, _STEP, step)
            x_BCHW, labels_B = self._mix(x_BCHW, labels_B)
            seed_process(self._seed, _RANK, self._rank, step)
        return x_BCHW, labels_B


def mixes(training: TrainingOptions) -> bool:
    """Whether labels become probabilities."""
    return bool(training.mixup or training.cutmix)


def _timm_transform(options: DataOptions, side: int, *, train: bool) -> Any:
    """timm's transform from a PIL image to uint8 (C, H, W)."""
    if not train:
        return timm.data.create_transform(
            side, normalize=False, interpolation=options.interpolation, crop_pct=options.crop_pct
        )
    transform = timm.data.create_transform(
        side,
        is_training=True,
        normalize=False,
        scale=options.scale,
        hflip=options.flip,
        color_jitter=options.color_jitter or None,
        auto_augment=options.auto_augment or None,
        interpolation=options.interpolation,
        mean=options.mean,
    )
    for part in transform.transforms:
        for operation in getattr(part, "ops", ()):
            if operation.name.startswith("Posterize"):
                operation.level_fn = _AtLeastOneBit(operation.level_fn)
    return transform


@dataclass(frozen=True, slots=True)
class _AtLeastOneBit:
    """timm's level of posterizing, which reaches 0 bits at magnitude 10: Pillow 13 raises at what used to be black."""

    level: Callable[[float, Any], tuple[int]]

    def __call__(self, magnitude: float, hparams: Any) -> tuple[int]:
        return (max(1, self.level(magnitude, hparams)[0]),)

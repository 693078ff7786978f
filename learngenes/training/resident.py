"""Images of one size that all lie in memory, on the device that trains on them, and batches cut out of them there.

What is cut follows from numbers drawn beforehand, and cutting only moves whole bytes: a batch is the same bit for bit
wherever it is cut.
"""

# B batch, C channels, H height, W width, S side of an image

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import Dataset

from learngenes.families.vit import Geometry
from learngenes.job import DataOptions
from learngenes.training.data import ImageSet, in_memory

_SHARE = 4
"""The images take at most one part in so many of a GPU's free memory; the network needs the rest."""


class Resident:
    """All images of a set, uint8 (N, S, S, C), and their labels (N); on the CPU until they are moved."""

    def __init__(self, images: ImageSet, *, side: int, channels: int, interpolation: str) -> None:
        pixels, labels = in_memory(images, side=side, channels=channels, interpolation=interpolation)
        self._pixels, self._labels = torch.from_numpy(pixels), torch.from_numpy(labels)
        self._along = torch.arange(side)

    @property
    def device(self) -> torch.device:
        """Where they lie."""
        return self._pixels.device

    def move(self, device: torch.device) -> bool:
        """Lie on this device from now on, and whether they do: not where they would fill a GPU."""
        device = torch.empty(0, device=device).device  # `cuda` alone is the one in use
        if device != self.device and device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            if self._pixels.nbytes * _SHARE > free:
                return False
        self._pixels, self._labels = self._pixels.to(device), self._labels.to(device)
        self._along = self._along.to(device)
        return True

    def row(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Images start to stop as they are: uint8 (B, C, H, W), and labels (B)."""
        return self._pixels[start:stop].permute(0, 3, 1, 2), self._labels[start:stop]

    def cut(self, chosen_B: Tensor, top_B: Tensor, left_B: Tensor, flip_B: Tensor) -> tuple[Tensor, Tensor]:
        """Windows as large as an image: uint8 (B, C, H, W), and labels (B). All arguments lie on the device.

        chosen: which images; top, left: where the window begins, negative for outside of the image, which goes on
        mirrored there, the border itself not repeated (numpy's `reflect`); flip: whether left and right change places.
        """
        side = len(self._along)
        rows_BS = self._mirrored(top_B[:, None] + self._along)
        columns_BS = self._mirrored(left_B[:, None] + torch.where(flip_B[:, None], self._along.flip(0), self._along))
        # One index of whole pixels: index_select copies their bytes several times faster than indexing by axis.
        at_BSS = ((chosen_B[:, None] * side + rows_BS) * side)[:, :, None] + columns_BS[:, None, :]
        flat = self._pixels.view(-1, self._pixels.shape[-1])
        x_BHWC = flat.index_select(0, at_BSS.view(-1)).view(len(chosen_B), side, side, -1)
        return x_BHWC.permute(0, 3, 1, 2), self._labels[chosen_B]

    def _mirrored(self, at: Tensor) -> Tensor:
        """Positions along an axis within the image, of such that may lie outside."""
        period = max(1, 2 * (len(self._along) - 1))
        at = at.remainder(period)
        return torch.minimum(at, period - at)


def light(images: ImageSet, options: DataOptions, geometry: Geometry) -> Resident | None:
    """The images in memory if they are varied lightly; None if each is read and varied by itself."""
    if options.augment != "light":
        return None
    return Resident(images, side=geometry.image, channels=geometry.channels, interpolation=options.interpolation)


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """Batches by number: uint8 pixels (B, C, H, W) and labels (B).

    resident: the images, if all of them lie in memory; None where each is read when it is shown.
    """

    def __init__(self, resident: Resident | None) -> None:
        self.resident = resident

    def settle(self, device: torch.device) -> bool:
        """Make batches on this device from now on, and whether they are; otherwise they are made on the CPU."""
        return self.resident is not None and self.resident.move(device)

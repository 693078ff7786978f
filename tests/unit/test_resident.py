"""Batches cut where the images lie, beside the same cut by numpy out of padded images."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from learngenes.families.vit import Geometry
from learngenes.job import DataOptions
from learngenes.training.augment import Normalise, TestBatches, TrainingBatches, seed_process
from learngenes.training.data import in_memory, open_images
from learngenes.training.device import Place, loaded

CPU = Place(0, 1, torch.device("cpu"))
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
IMAGES = open_images("digits:train", data=Path())
SEED = 3


def geometry(channels: int) -> Geometry:
    return Geometry(depth=1, width=8, heads=1, patch=4, image=8, classes=10, channels=channels)


def options(channels: int, padding: int, **more: Any) -> DataOptions:
    mean = (0.3, 0.4, 0.5)[:channels]
    return DataOptions(
        "digits:train", "digits:test", mean=mean, std=mean, augment="light", padding=padding, **{"flip": 0.5, **more}
    )


def batches(channels: int = 3, padding: int = 2, *, batch: int = 32, rank: int = 0, world: int = 1) -> TrainingBatches:
    return TrainingBatches(
        IMAGES,
        options=options(channels, padding),
        geometry=geometry(channels),
        batch=batch,
        seed=SEED,
        rank=rank,
        world=world,
    )


def by_numpy(step: int, channels: int, padding: int, *, batch: int) -> tuple[Tensor, Tensor]:
    """The same step out of padded images, by the rule that is written in the module: keys 0 and 1 of the seed."""
    pixels, labels = in_memory(IMAGES, side=8, channels=channels)
    padded = np.pad(pixels, ((0, 0), (padding, padding), (padding, padding), (0, 0)), mode="reflect")
    epoch, place = divmod(step, len(IMAGES) // batch)
    order = np.random.default_rng((SEED, 0, epoch)).permutation(len(IMAGES))
    draws = np.random.default_rng((SEED, 1, epoch))
    corner = draws.integers(0, 2 * padding + 1, size=(len(IMAGES), 2))
    flip = draws.random(len(IMAGES)) < 0.5
    at = np.arange(place * batch, (place + 1) * batch)
    windows = [
        padded[order[i], y : y + 8, x : x + 8][:, :: -1 if flip[i] else 1]
        for i, (y, x) in zip(at, corner[at], strict=True)
    ]
    return torch.from_numpy(np.stack(windows)).permute(0, 3, 1, 2), torch.from_numpy(labels[order[at]])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("padding", [0, 1, 7, 20])
def test_a_batch_is_what_numpy_cuts_out_of_padded_images_in_values_and_layout(channels: int, padding: int) -> None:
    ours = batches(channels, padding)
    for step in (0, 5, ours.epoch_steps, 2 * ours.epoch_steps - 1):
        for found, expected in zip(ours[step], by_numpy(step, channels, padding, batch=32), strict=True):
            assert torch.equal(found, expected) and found.dtype == expected.dtype
            assert found.stride() == expected.stride()


def test_settling_in_the_middle_of_an_epoch_changes_no_batch() -> None:
    ours = batches()
    before = ours[7]
    assert ours.settle(CPU.device)
    assert all(torch.equal(*pair) for pair in zip(before, ours[7], strict=True))


def test_images_that_are_read_one_by_one_settle_nowhere() -> None:
    mean = (0.3, 0.3, 0.3)
    timm = DataOptions("digits:train", "digits:test", mean=mean, std=mean)
    ours = TrainingBatches(IMAGES, options=timm, geometry=geometry(3), batch=8, seed=SEED)
    assert not ours.settle(CPU.device)
    assert [x.shape for _, (x, _) in loaded(ours, range(2), workers=0, place=CPU)] == [(8, 3, 8, 8)] * 2


def test_workers_and_this_process_prepare_the_same_batches() -> None:
    alone, helped = (list(loaded(batches(), range(40, 44), workers=workers, place=CPU)) for workers in (0, 1))
    assert [index for index, _ in alone] == [40, 41, 42, 43]
    for (i, (x, y)), (j, (u, v)) in zip(alone, helped, strict=True):
        assert i == j and torch.equal(x, u) and torch.equal(y, v)


@GPU
@pytest.mark.parametrize("channels", [1, 3])
def test_a_gpu_cuts_the_same_batches_as_the_cpu(channels: int) -> None:
    place = Place(0, 1, torch.device("cuda", 0))
    shown = TestBatches(IMAGES, options=options(channels, 2), geometry=geometry(channels), batch=100)
    for ours in (batches(channels), batches(channels, rank=1, world=2), shown):
        expected = [ours[i] for i in (0, 3, 1)]
        assert ours.settle(place.device)
        for at, (x, y) in zip((0, 3, 1), expected, strict=True):
            pixels, labels = ours[at]
            assert pixels.device.type == labels.device.type == "cuda"
            assert torch.equal(pixels.cpu(), x) and torch.equal(labels.cpu(), y) and pixels.stride() == x.stride()
        assert all(x.device == place.device for _, (x, _) in loaded(ours, range(2), workers=4, place=place))


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_of_any_layout_are_normalised_by_one_formula_and_keep_it(channels: int) -> None:
    chosen = options(channels, 0)
    normalise = Normalise(chosen)
    lying = batches(channels)[0][0]
    for x in (lying, lying.contiguous(), lying[:1], lying[..., ::2]):
        found = normalise(x)
        assert torch.equal(found, x.float() * normalise.scale + normalise.shift)
        assert found.dtype == torch.float32
        assert found.stride() == (x.float() * normalise.scale + normalise.shift).stride()


def test_seeds_are_those_that_torch_numpy_and_random_would_take() -> None:
    low, high = (int(v) for v in np.random.SeedSequence((4, 7)).generate_state(2))
    torch.manual_seed(low | high << 32)
    expected = torch.rand(3), np.random.RandomState(low).random_sample(3).tolist(), random.Random(low).random()
    seed_process(4, 7)
    found = torch.rand(3), np.random.random_sample(3).tolist(), random.random()
    assert torch.equal(found[0], expected[0]) and found[1:] == expected[1:]

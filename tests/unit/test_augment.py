"""What a training step sees."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from learngenes.errors import BadData, InvalidValue
from learngenes.families.vit import Geometry
from learngenes.job import DataOptions, TrainingOptions
from learngenes.training import vit
from learngenes.training.augment import Mixing, Normalise, TestBatches, TrainingBatches
from learngenes.training.data import open_images
from learngenes.training.evaluate import accuracy

GEOMETRY = Geometry(depth=4, width=32, heads=2, patch=4, image=8, classes=10, channels=1)
STAGES = (1, 2, 1)
LIGHT = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.4,), augment="light", padding=1)
TIMM = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.4,), color_jitter=0.1, erase=0.5, repeats=2)
CPU = torch.device("cpu")


def images(count=4, seed=0):
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("options", [LIGHT, TIMM], ids=["light", "timm"])
def test_a_batch_follows_from_seed_and_step_alone_whatever_was_asked_before_and_by_how_many_ranks(options):
    source = open_images(options.train, data=Path())

    def batches(**changes):
        kept = {"options": options, "geometry": GEOMETRY, "batch": 8, "seed": 3}
        return TrainingBatches(source, **{**kept, **changes})

    steps = batches().epoch_steps
    whole = batches()
    pixels, labels = whole[steps + 1]
    assert (pixels.dtype, pixels.shape, labels.shape) == (torch.uint8, (8, 1, 8, 8), (8,))
    whole[0], whole[2 * steps]
    random.seed(0)
    torch.manual_seed(99)
    assert torch.equal(pixels, whole[steps + 1][0])
    halves = [batches(rank=rank, world=2)[steps + 1] for rank in (0, 1)]
    places = torch.tensor([0, 1, 6, 7, 2, 3, 4, 5])  # what mixup pairs is on one rank
    assert torch.equal(pixels[places], torch.cat([x for x, _ in halves]))
    assert torch.equal(labels[places], torch.cat([y for _, y in halves]))
    assert not torch.equal(pixels, batches(seed=4)[steps + 1][0])
    assert not torch.equal(pixels, whole[1][0])


@pytest.mark.parametrize("channels", [1, 3])
def test_the_augmentation_of_the_papers_works_at_its_strongest(channels):
    mean = (0.3,) * channels
    options = DataOptions("digits:train", "digits:test", mean=mean, std=mean, auto_augment="rand-m10-mstd0.5-inc1-n4")
    geometry = Geometry(depth=1, width=8, heads=1, patch=4, image=8, classes=10, channels=channels)
    source = open_images(options.train, data=Path())
    pixels, _ = TrainingBatches(source, options=options, geometry=geometry, batch=400, seed=0)[0]
    assert pixels.shape == (400, channels, 8, 8)


def test_an_epoch_shows_every_image_once_and_repeats_show_it_again():
    source = open_images("digits:train", data=Path())
    for repeats in (1, 3):
        options = DataOptions("digits:train", "digits:test", augment="light", padding=0, repeats=repeats)
        batches = TrainingBatches(source, options=options, geometry=GEOMETRY, batch=len(source), seed=0)
        batches[0]
        assert np.unique(batches._order, return_counts=True)[1].max() == repeats
        assert len(batches._order) == len(source)


def test_light_crops_are_windows_of_the_reflected_image():
    source = open_images("digits:train", data=Path())
    options = DataOptions("digits:train", "digits:test", augment="light", padding=2, flip=0.5)
    pixels, labels = TrainingBatches(source, options=options, geometry=GEOMETRY, batch=16, seed=0)[0]
    digits = [(np.asarray(image), label) for image, label in (source[i] for i in range(len(source)))]
    for x, label in zip(pixels[:4, 0].numpy(), labels[:4].tolist(), strict=True):
        padded = [np.pad(image, 2, mode="reflect") for image, y in digits if y == label]
        windows = (p[i : i + 8, j : j + 8] for p in padded for i in range(5) for j in range(5))
        assert any(np.array_equal(x, w) or np.array_equal(x, w[:, ::-1]) for w in windows)


def test_mixing_follows_from_seed_and_step_and_gives_probabilities():
    training = TrainingOptions(1, 4, 0.1, mixup=0.8, cutmix=1.0, label_smoothing=0.1)
    mixing = Mixing(TIMM, training, classes=10, seed=1, rank=0, device=CPU)
    labels = torch.tensor([1, 2, 3, 4])
    first = mixing(images(), labels, step=7)
    np.random.seed(5)
    second = mixing(images(), labels, step=7)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    torch.testing.assert_close(first[1].sum(-1), torch.ones(4))
    assert not torch.equal(first[0], mixing(images(), labels, step=8)[0])


@pytest.mark.parametrize("world", [2, 4])
def test_mixup_and_cutmix_give_every_image_the_same_partner_on_any_number_of_ranks(world):
    source = open_images(LIGHT.train, data=Path())
    training = TrainingOptions(epochs=1, batch=16, learning_rate=1e-3, mixup=0.8, cutmix=1.0)

    def mixed(step, rank, world):
        batches = TrainingBatches(source, options=LIGHT, geometry=GEOMETRY, batch=16, seed=0, rank=rank, world=world)
        pixels, labels = batches[step]
        mixing = Mixing(LIGHT, training, classes=10, seed=0, rank=rank, device=CPU)
        return mixing(Normalise(LIGHT)(pixels), labels, step=step)

    for step in range(4):  # some of them mixup, some cutmix
        images, labels = mixed(step, 0, 1)
        parts = [mixed(step, rank, world) for rank in range(world)]
        for whole, several in ((images, [x for x, _ in parts]), (labels, [y for _, y in parts])):
            ordered = sorted(row.flatten().tolist() for row in whole)
            assert sorted(row.flatten().tolist() for part in several for row in part) == ordered


def test_an_odd_share_of_a_batch_is_a_row_of_it():
    source = open_images(LIGHT.train, data=Path())
    kept = {"options": LIGHT, "geometry": GEOMETRY, "batch": 9, "seed": 0}
    thirds = [TrainingBatches(source, **kept, rank=rank, world=3)[0][1] for rank in range(3)]
    assert torch.equal(torch.cat(thirds), TrainingBatches(source, **kept)[0][1])


def test_batches_that_cannot_be_made_are_refused():
    source = open_images("digits:train", data=Path())
    with pytest.raises(InvalidValue, match="batch of 9 does not divide among 2 ranks"):
        TrainingBatches(source, options=LIGHT, geometry=GEOMETRY, batch=9, seed=0, world=2)
    with pytest.raises(BadData, match="1437 training images are fewer than one batch of 2000"):
        TrainingBatches(source, options=LIGHT, geometry=GEOMETRY, batch=2000, seed=0)


def test_normalised_pixels_are_what_the_formula_says():
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    torch.testing.assert_close(Normalise(LIGHT)(pixels), (pixels / 255 - 0.3) / 0.4)


def test_accuracy_counts_every_test_image_and_leaves_the_mode_alone():
    source = open_images("digits:test", data=Path())
    for options in (LIGHT, TIMM):
        batches = TestBatches(source, options=options, geometry=GEOMETRY, batch=100)
        model = vit.network(GEOMETRY).train()
        correct, n = accuracy(model, (batches[i] for i in range(len(batches))), normalise=Normalise(options))
        assert n == len(source) == 360
        assert 0 <= correct <= n
        assert model.training

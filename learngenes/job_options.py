"""The tables of a learning run: images, optimisation, ancestor. Free of torch."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from learngenes.channels import check_channels
from learngenes.errors import InvalidValue, UnknownName

SOURCES = ("parquet:<file>", "folder:<directory>", "digits:train", "digits:test")
"""The data sets we open; relative paths start at the data directory of the run.

`[:1000]` at the end takes the first 1000 images, as in `parquet:<file>[:1000]`.
"""

_FIRST = re.compile(r"(.*)\[:([1-9][0-9]{0,11})\]")

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


OWN_VIT = "vit"
"""The ancestor architecture that is the job's own geometry, built by us and not looked up in timm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Teaching:
    """What a network learns from an ancestor and what from labels: options of every method that learns from logits.

    alpha: weight of the ancestor's logits against the labels, within 0..1; temperature: of both softmaxes.
    """

    alpha: float = 1.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise InvalidValue(f"alpha is within 0..1, got {self.alpha}")
        if not self.temperature > 0:
            raise InvalidValue(f"temperature is above 0, got {self.temperature}")


@dataclass(frozen=True, slots=True)
class Input:
    """How an image becomes an input: (pixel / 255 - mean) / std per channel, after resizing and a central crop.

    crop_pct: share of the side that the crop keeps; 1.0 resizes straight to the network's side.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    crop_pct: float = 0.875


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Where images come from and how they are varied.

    train, test: one of SOURCES. mean, std: per channel, of pixel values scaled to 0..1.
    augment: `timm` is timm's ImageNet training transform; `light` resizes all images once into memory and then
    crops and flips whole batches, for small images; `none` shows each image as the test does.
    padding: pixels of reflection around the image before the light crop.
    flip, erase: probabilities. scale: smallest and largest area of the timm crop.
    auto_augment: timm's notation, e.g. `rand-m9-mstd0.5-inc1`; empty for none.
    repeats: times each image drawn appears in a row, each varied anew (repeated augmentation of DeiT's recipe).
    crop_pct: share of the side that the test's central crop keeps (`light` has no such crop).
    license: of the images, for the record.
    """

    train: str
    test: str
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    augment: Literal["timm", "light", "none"] = "timm"
    padding: int = 4
    flip: float = 0.5
    scale: tuple[float, float] = (0.08, 1.0)
    color_jitter: float = 0.4
    auto_augment: str = ""
    erase: float = 0.0
    repeats: int = 1
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    crop_pct: float = 0.875
    license: str = "unknown"

    def __post_init__(self) -> None:
        for spec in (self.train, self.test):
            kind, _, rest = first_of(spec)[0].partition(":")
            if kind not in ("parquet", "folder", "digits") or not rest:
                raise UnknownName("data set", spec, SOURCES)
            if kind == "digits" and rest not in ("train", "test"):
                raise UnknownName("data set", spec, ("digits:train", "digits:test"))
        if len(self.mean) != len(self.std) or not all(s > 0 for s in self.std):
            raise InvalidValue(f"std has one value above 0 per entry of mean, got {self.std} for {self.mean}")
        check_channels(self.mean, self.std)
        _within("flip", self.flip, 0, 1)
        _within("erase", self.erase, 0, 1)
        _within("padding", self.padding, 0, math.inf)
        _within("repeats", self.repeats, 1, math.inf)
        _within("crop_pct", self.crop_pct, 0.1, 1)
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise InvalidValue(f"scale is a smallest and a largest area within 0..1, got {self.scale}")

    @property
    def input(self) -> Input:
        """What a network trained on these images expects; after `light` training nothing is cropped."""
        crop_pct = 1.0 if self.augment == "light" else self.crop_pct
        return Input(self.mean, self.std, self.interpolation, crop_pct)


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """One optimisation: AdamW, linear warm-up, cosine to min_lr, all per step.

    batch: images per step over all ranks; what is left of an epoch after whole batches is dropped.
    warmup_lr: rate of the first step. clip_grad: largest gradient norm, 0 for no clipping.
    mixup, cutmix: parameters of their Beta distributions, 0 for off. ema_decay: of the averaged weights, which are
    then the ones kept; 0 for off. fused_attention: timm's choice of attention kernel; on a CPU and few tokens the
    unfused one is faster. workers: processes that prepare batches; 0 prepares them in the training process.
    checkpoint_minutes: between saves inside an epoch; report_seconds: between `step` events.
    """

    epochs: int
    batch: int
    learning_rate: float
    min_lr: float = 1e-5
    warmup_epochs: float = 0.0
    warmup_lr: float = 1e-6
    weight_decay: float = 0.05
    clip_grad: float = 0.0
    drop_path: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    label_smoothing: float = 0.0
    ema_decay: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False
    fused_attention: bool = True
    workers: int = 0
    checkpoint_minutes: float = 5.0
    report_seconds: float = 5.0

    def __post_init__(self) -> None:
        _within("epochs", self.epochs, 1, math.inf)
        _within("batch", self.batch, 1, math.inf)
        _within("workers", self.workers, 0, math.inf)
        if not self.learning_rate > 0:
            raise InvalidValue(f"learning_rate is above 0, got {self.learning_rate}")
        _within("min_lr", self.min_lr, 0, self.learning_rate)
        _within("warmup_epochs", self.warmup_epochs, 0, self.epochs)
        for name in ("drop_path", "label_smoothing", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidValue(f"{name} is at least 0 and below 1, got {getattr(self, name)}")
        for name in (
            "warmup_lr", "weight_decay", "clip_grad", "mixup", "cutmix", "checkpoint_minutes", "report_seconds"
        ):  # fmt: skip
            _within(name, getattr(self, name), 0, math.inf)
        if (self.mixup or self.cutmix) and self.batch % 2:
            raise InvalidValue(f"mixup and cutmix pair images and need an even batch, got {self.batch}")


@dataclass(frozen=True, slots=True)
class AncestorOptions:
    """The network that teaches or is taken apart, and where its weights come from: exactly one of the last three.

    architecture: of timm.create_model, with these arguments; classes and channels come from the geometry. `vit` is the
    job's own geometry and takes no arguments.
    mean, std: the input it was trained on; empty for timm's own when pretrained, else the job's.
    checkpoint: a safetensors file, relative to the data directory. pretrained: timm's published weights.
    training: the same command trains it first.
    """

    architecture: str
    arguments: dict[str, Any] = field(default_factory=dict)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    checkpoint: str | None = None
    pretrained: bool = False
    training: TrainingOptions | None = None

    def __post_init__(self) -> None:
        given = [
            name
            for name, there in (
                ("checkpoint", self.checkpoint is not None),
                ("pretrained", self.pretrained),
                ("training", self.training is not None),
            )
            if there
        ]
        if len(given) != 1:
            raise InvalidValue(
                f"the ancestor's weights come from exactly one of checkpoint, pretrained and training, "
                f"got {' and '.join(given) or 'none'}"
            )
        if self.checkpoint is not None and not self.checkpoint.endswith(".safetensors"):
            raise InvalidValue(
                f"ancestor checkpoints are .safetensors files, got {self.checkpoint!r}; "
                f"other formats can run code when opened, so convert the file first"
            )
        if len(self.mean) != len(self.std):
            raise InvalidValue(f"the ancestor's mean and std have one length, got {self.mean} and {self.std}")
        if self.architecture == OWN_VIT and self.pretrained:
            raise InvalidValue(
                f"the ancestor {OWN_VIT!r} is the ViT of this job's own geometry, of which nobody published weights; "
                f"name one of timm's architectures for pretrained, or give it a checkpoint or [ancestor.training]"
            )
        if self.architecture == OWN_VIT and self.arguments:
            raise InvalidValue(
                f"the ancestor {OWN_VIT!r} is what [geometry] says and takes no arguments, got "
                f"{', '.join(self.arguments)}; remove them, or name one of timm's architectures"
            )
        for name in ("num_classes", "in_chans", "pretrained"):
            if name in self.arguments:
                raise InvalidValue(
                    f"{name} is not among the ancestor's arguments; it follows from the geometry and the source"
                )


def first_of(source: str) -> tuple[str, int | None]:
    """A source without its `[:N]`, and N; None for all. InvalidValue for a folder, whose first images are one class."""
    match = _FIRST.fullmatch(source)
    if match is None:
        return source, None
    if source.startswith("folder:"):
        raise InvalidValue(
            f"{source}: the images of a folder come class by class, so the first of them are no fair part; "
            f"write them to a Parquet file in mixed order, or take the whole folder"
        )
    return match[1], int(match[2])


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        limit = f"at least {least}" if most == math.inf else f"within {least}..{most}"
        raise InvalidValue(f"{name} is {limit}, got {value}")


def check_once(name: str, values: Sequence[object]) -> None:
    """InvalidValue if a list names something twice."""
    if twice := [value for value, count in Counter(values).items() if count > 1]:
        raise InvalidValue(f"{name} names {twice[0]!r} twice; once is enough")

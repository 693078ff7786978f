"""Labelled images from Parquet files, directories, and scikit-learn's digits, all behind one small interface."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import timm.data
from PIL import Image, UnidentifiedImageError

from learngenes.errors import BadData, UnknownName
from learngenes.job import SOURCES
from learngenes.job_options import first_of

PixelArray = np.ndarray[Any, np.dtype[np.uint8]]


class ImageSet(Protocol):
    """Images with labels; a label is an index into `classes`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, in the order of the labels."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Image.Image, int]: ...


def open_images(spec: str, *, data: Path) -> ImageSet:
    """The data set of one of job.SOURCES; relative paths start at `data`. BadData when it can't be read."""
    whole, count = first_of(spec)
    images = _whole(whole, data=data)
    if count is None:
        return images
    if count > len(images):
        raise BadData(f"{whole} has {len(images)} images, fewer than the first {count}; lower the number in brackets")
    return Slice(images, range(count))


def _whole(spec: str, *, data: Path) -> ImageSet:
    kind, _, rest = spec.partition(":")
    match kind:
        case "parquet":
            return ParquetImages(data / rest)
        case "folder":
            return FolderImages(data / rest)
        case "digits":
            return Digits(rest)
        case _:
            raise UnknownName("data set", spec, SOURCES)


@dataclass(frozen=True, slots=True)
class Images:
    """The images of a job, of the same classes."""

    train: ImageSet
    test: ImageSet


@dataclass(frozen=True, slots=True)
class Slice:
    """Some images of a set, in the order of `indices`; an ImageSet itself."""

    images: ImageSet
    indices: Sequence[int]

    @property
    def classes(self) -> tuple[str, ...]:
        """Those of the whole set."""
        return self.images.classes

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return self.images[self.indices[index]]


class ParquetImages:
    """Hugging Face's image layout: column `image` of {bytes, path}, column `label`; encoded bytes stay in memory.

    Class names come from the schema's metadata, else from `classes.json` beside the file (a list, or a table with a
    list under `label`).
    """

    def __init__(self, path: Path) -> None:
        import pyarrow
        import pyarrow.parquet as parquet

        self._path = path
        try:
            file = parquet.ParquetFile(path)
            columns = file.schema_arrow.names
            if missing := [name for name in ("image", "label") if name not in columns]:
                raise BadData(f"{path} has no column {missing[0]!r}, only {', '.join(columns)}; rename one")
            table = file.read(columns=["image", "label"])
            self._encoded: list[bytes | None] = [
                row if row is None else row["bytes"] for row in table["image"].to_pylist()
            ]
            labels = table["label"].to_pylist()
            metadata = file.schema_arrow.metadata or {}
        except FileNotFoundError as error:
            raise BadData(f"there is no file {path}; --data says where data sets are") from error
        except (OSError, pyarrow.ArrowException, KeyError, TypeError) as error:
            raise BadData(f"{path} is not Parquet in the Hugging Face image layout: {error}") from error
        self._classes = _class_names(metadata, path)
        self._labels = _check_labels(labels, len(self._classes), str(path))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, in the order of the labels."""
        return self._classes

    def __len__(self) -> int:
        return len(self._encoded)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        encoded = self._encoded[index]
        if encoded is None:
            raise BadData(f"{self._path}: row {index} holds no bytes; rows that only name a file are not supported")
        try:
            image = Image.open(io.BytesIO(encoded))
            image.load()
            return image, self._labels[index]
        except (UnidentifiedImageError, OSError) as error:
            raise BadData(f"{self._path}: the image in row {index} can't be decoded: {error}") from error


class FolderImages:
    """One directory per class, read by timm; the names of the directories, sorted, are the classes."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise BadData(f"there is no directory {path}; --data says where data sets are")
        try:
            self._images = timm.data.create_dataset("", root=str(path), search_split=False, input_img_mode="")
        except RuntimeError as error:
            raise BadData(f"{path} holds no images in one directory per class: {error}") from error
        indices = self._images.reader.class_to_idx
        self._classes = tuple(sorted(indices, key=indices.__getitem__))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the directories, sorted as timm does."""
        return self._classes

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        file, label = self._images.reader[index]
        try:
            with file:
                image = Image.open(file)
                image.load()
        except (UnidentifiedImageError, OSError) as error:
            raise BadData(f"{file.name} can't be decoded: {error}") from error
        return image, int(label)


class Digits:
    """scikit-learn's 1,797 digits of 8 x 8 grey pixels; every fifth is the test set. Needs no file."""

    def __init__(self, split: str) -> None:
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        chosen = (np.arange(len(labels)) % 5 == 0) == (split == "test")
        grey = np.rint(pixels[chosen] * (255 / 16)).astype(np.uint8)
        self._pixels: PixelArray = grey.reshape(-1, 8, 8)
        self._labels = [int(label) for label in labels[chosen]]

    @property
    def classes(self) -> tuple[str, ...]:
        """ "0" to "9"."""
        return tuple("0123456789")

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.fromarray(self._pixels[index]), self._labels[index]


def in_memory(
    images: ImageSet, *, side: int, channels: int, interpolation: str = "bicubic"
) -> tuple[PixelArray, np.ndarray[Any, np.dtype[np.int64]]]:
    """All images at once, uint8 (N, side, side, channels), resized where they differ, and their labels (N)."""
    pixels = np.empty((len(images), side, side, channels), np.uint8)
    labels = np.empty(len(images), np.int64)
    for i in range(len(images)):
        image, labels[i] = images[i]
        image = as_channels(image, channels)
        if image.size != (side, side):
            image = image.resize((side, side), Image.Resampling[interpolation.upper()])
        pixels[i] = np.asarray(image).reshape(side, side, channels)
    return pixels, labels


def as_channels(image: Image.Image, channels: int) -> Image.Image:
    """The image as RGB for 3 channels and grey for 1; BadData for any other number."""
    if channels not in (1, 3):
        raise BadData(f"images are read with 1 or 3 channels, the geometry asks for {channels}")
    return image.convert("RGB" if channels == 3 else "L")


def check_classes(train: ImageSet, test: ImageSet, classes: int) -> None:
    """BadData unless train and test have the same classes, as many as the geometry's head."""
    if train.classes != test.classes:
        raise BadData(
            f"train has the classes {_few(train.classes)} and test {_few(test.classes)}; they have to be the same"
        )
    if len(train.classes) != classes:
        raise BadData(
            f"the images have {len(train.classes)} classes and the geometry {classes}; "
            f"set classes = {len(train.classes)}"
        )


def _few(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:3])}{', …' if len(names) > 3 else ''} ({len(names)})"


def _class_names(metadata: dict[bytes, bytes], path: Path) -> tuple[str, ...]:
    """Class names of a Parquet file, from its own metadata or the file beside it."""
    beside = path.parent / "classes.json"
    try:
        if b"huggingface" in metadata:
            names = json.loads(metadata[b"huggingface"])["info"]["features"]["label"]["names"]
        else:
            names = json.loads(beside.read_text("utf-8"))
            names = names["label"] if isinstance(names, dict) else names
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadData(f"{path} names no classes in its metadata, nor does {beside}: add that file") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadData(f"the class names of {path} are a list of texts, got {type(names).__name__}")
    return tuple(names)


def _check_labels(labels: list[Any], classes: int, where: str) -> list[int]:
    for row, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < classes:
            raise BadData(f"{where}: row {row} has label {label!r}, labels are 0 to {classes - 1}")
    return labels

"""A learngene: an immutable safetensors file and the manifest that says everything true about it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from learngenes import config
from learngenes.channels import check_channels
from learngenes.errors import BadManifest, CorruptLearngene, InvalidValue, LearngenesError
from learngenes.families.architectures import Family
from learngenes.families.vit import Geometry
from learngenes.header import INDEX
from learngenes.sizes import Size, SizeSpace
from learngenes.store import check_name
from learngenes.tensorfile import TensorFile

SCHEMA = 1
LEAST_CROP = 0.01
MOST = 10**12
"""Of what is counted or measured."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """What the manifest promises of one tensor: dtype, shape, sha256 of its bytes."""

    dtype: str
    shape: tuple[int, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class Weights:
    """The safetensors file: sha256 and bytes of the whole, and every tensor in it."""

    sha256: str
    bytes: int
    tensors: dict[str, StoredTensor]


@dataclass(frozen=True, slots=True)
class Normalization:
    """How an image becomes an input: (pixel / 255 - mean) / std per channel, after resizing."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    crop_pct: float = 1.0

    def __post_init__(self) -> None:
        check_channels(self.mean, self.std)
        if not LEAST_CROP <= self.crop_pct <= 1:
            raise InvalidValue(
                f"crop_pct is the share of the side that is kept, {LEAST_CROP:g} to 1, got {self.crop_pct!r}"
            )


@dataclass(frozen=True, slots=True)
class Parent:
    """The learngene whose tensors this one completes: `name@version`, and the sha256 of that version's manifest."""

    learngene: str
    manifest: str


@dataclass(frozen=True, slots=True)
class Quality:
    """One measurement of a descendant. epochs_after: of training after initialization; 0 is untuned.

    n: images measured; command: what measured it.
    """

    depth: int
    width: int
    dataset: str
    split: str
    metric: str
    value: float
    n: int
    epochs_after: int
    seed: int
    command: str

    def __post_init__(self) -> None:
        for name in ("depth", "width", "n"):
            if not 1 <= getattr(self, name) <= MOST:
                raise InvalidValue(f"{name} of a measurement is 1 to {MOST}, got {_short(getattr(self, name))}")
        if not (0 <= self.epochs_after <= MOST and abs(self.seed) <= 1 << 64):
            raise InvalidValue(
                f"epochs_after of a measurement is 0 to {MOST} and its seed at most 2^64, got "
                f"{_short(self.epochs_after)} and {_short(self.seed)}"
            )
        most = 1.0 if self.metric == "top1" else MOST
        if not 0 <= self.value <= most:
            raise InvalidValue(f"a measured {self.metric[:40]!r} is 0 to {most:g}, got {self.value!r}")


@dataclass(frozen=True)  # without slots: the digest is remembered
class Manifest:
    """All that is known of one version of a learngene.

    geometry: of the network it was learned in; space: sizes it can take; varies: what a request may change.
    method_facts: the method's own, such as the stage counts of SWS; labels: class names in label order.
    ancestor, training: where it comes from, as recorded by the command that learned it.
    parent: of a learngene fitted to one size; what it does not store itself is its parent's.
    """

    name: str
    version: int
    method: str
    method_version: int
    family: Family
    geometry: Geometry
    space: SizeSpace
    varies: tuple[str, ...]
    method_facts: dict[str, Any]
    weights: Weights
    normalization: Normalization
    labels: tuple[str, ...] = ()
    ancestor: dict[str, Any] | None = None
    training: dict[str, Any] = field(default_factory=dict)
    quality: tuple[Quality, ...] = ()
    license: str = "apache-2.0"
    data_license: str = "unknown"
    description: str = ""
    parent: Parent | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.version < 1:
            raise BadManifest(f"versions count from 1, got {self.version}")
        if self.labels and len(self.labels) != self.geometry.classes:
            raise BadManifest(f"{len(self.labels)} labels for a head of {self.geometry.classes} classes")
        if not len(self.normalization.mean) == len(self.normalization.std) == self.geometry.channels:
            raise BadManifest(f"normalization needs {self.geometry.channels} means and standard deviations")
        if not _SHA256.fullmatch(self.weights.sha256):
            raise BadManifest(f"{self.weights.sha256!r} is not a sha256")

    @property
    def reference(self) -> str:
        """`name@version`: this and no other."""
        return f"{self.name}@{self.version}"

    @cached_property
    def digest(self) -> str:
        """sha256 of the canonical form: pins name, version, every fact and, through `weights`, every byte."""
        return hashlib.sha256(to_json(self)).hexdigest()

    @property
    def dtype(self) -> str:
        """The dtype its tensors are stored in, index lists aside; F32 if they are not all of one."""
        dtypes = {tensor.dtype for tensor in self.weights.tensors.values()} - {INDEX}
        return dtypes.pop() if len(dtypes) == 1 else "F32"


def _short(number: int) -> str:
    """A number for an error; of too many digits for Python to write, how many bits."""
    return str(number) if number.bit_length() < 200 else f"one of {number.bit_length()} bits"


def to_json(manifest: Manifest) -> bytes:
    """The canonical form, for people too: sorted keys, two spaces. Equal manifests give equal bytes."""
    table = asdict(manifest) | {"schema": SCHEMA}
    if manifest.parent is None:
        del table["parent"]  # as it was before there were parents: digests stay
    return json.dumps(table, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def from_json(raw: bytes) -> Manifest:
    """The manifest whose `to_json` this is; BadManifest if it is none."""
    try:
        table = json.loads(raw.decode())
        if not isinstance(table, dict) or table.pop("schema", None) != SCHEMA:
            raise BadManifest(f"this is not a learngene's manifest of schema {SCHEMA}")
        tensors = {
            name: config.parse(entry, StoredTensor, where=f"tensor {name}")
            for name, entry in table["weights"].pop("tensors").items()
        }
        table["weights"]["tensors"] = tensors
        manifest = config.parse(table, Manifest, where="manifest")
        to_json(manifest)  # refuses NaN and lone surrogates, which JSON readers let in
    except BadManifest:
        raise
    except (LearngenesError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadManifest(f"this is not a learngene's manifest: {error}") from error
    return manifest


def fitted_name(name: str, size: Size) -> str:
    """What the learngene is called that fits learngene `name` to one size."""
    return f"{name}-{size.name}"


def size_fitted(child: Manifest) -> Size:
    """The size a learngene was fitted to: the only one it takes."""
    return child.space.nearest(child.geometry.depth, child.geometry.width)


def unmeasured(manifest: Manifest) -> Manifest:
    """The learngene without its measurements and version number: equal for versions that differ in these alone."""
    return replace(manifest, version=1, quality=())


def weigh(tensors: TensorFile) -> Weights:
    """What a manifest has to say of this file; reads it once."""
    return Weights(
        sha256=hashlib.sha256(tensors.view).hexdigest(),
        bytes=len(tensors.view),
        tensors={
            name: StoredTensor(tensor.dtype, tensor.shape, hashlib.sha256(tensors.raw(name)).hexdigest())
            for name, tensor in tensors.tensors.items()
        },
    )


def verify(manifest: Manifest, tensors: TensorFile) -> None:
    """CorruptLearngene, naming the first tensor at fault, unless every stored byte is as promised."""
    promised, found = manifest.weights, weigh(tensors)
    if found == promised:
        return
    for name in sorted(promised.tensors.keys() | found.tensors.keys()):
        want, have = promised.tensors.get(name), found.tensors.get(name)
        if want is None or have is None:
            where = "file but not in the manifest" if want is None else "manifest but not in the file"
            raise CorruptLearngene(f"learngene {manifest.reference}: tensor {name!r} is in the {where}")
        if want != have:
            raise CorruptLearngene(
                f"learngene {manifest.reference}: tensor {name!r} is {have.dtype} {have.shape} "
                f"sha256 {have.sha256[:12]}, the manifest says {want.dtype} {want.shape} {want.sha256[:12]}"
            )
    raise CorruptLearngene(
        f"learngene {manifest.reference}: the file has sha256 {found.sha256[:12]} and {found.bytes} bytes, "
        f"the manifest says {promised.sha256[:12]} and {promised.bytes}"
    )


def checked(pieces: Iterable[bytes | memoryview], manifest: Manifest) -> Iterator[bytes | memoryview]:
    """The pieces, and an error instead of an end if they are not the file the manifest promises."""
    sha256, size = hashlib.sha256(), 0
    for piece in pieces:
        sha256.update(piece)
        size += len(piece)
        yield piece
    if (sha256.hexdigest(), size) != (manifest.weights.sha256, manifest.weights.bytes):
        raise BadManifest(
            f"the file has sha256 {sha256.hexdigest()[:12]} and {size} bytes, "
            f"the manifest says {manifest.weights.sha256[:12]} and {manifest.weights.bytes}"
        )

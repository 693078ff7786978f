"""A whole network as a learngene, of a method that takes one without learning."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from learngenes import config, gene, header, tensorfile
from learngenes.errors import InvalidValue, UnknownName
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest, Normalization
from learngenes.header import INDEX, ITEM_BYTES
from learngenes.importing.geometry import read_geometry
from learngenes.job_options import OWN_VIT
from learngenes.methods.selection import plan as selection
from learngenes.methods.vanilla_lg import plan as vanilla_lg
from learngenes.tensorfile import FileMap, TensorFile
from learngenes.zoo import METHODS

Taken = tuple[tuple[str, ...], dict[str, Any]]
"""Beginnings of the names of the tensors that are stored, and the method's facts."""

TAKING: dict[str, Callable[[int, Any], Taken]] = {"selection": selection.taken, "vanilla_lg": vanilla_lg.taken}
"""Methods that take a network as it is: from its depth and their learn options to what of it is stored."""

USUAL = 0.5
"""Mean and deviation of a channel where nobody said: what timm's VisionTransformer has by default."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is to be said of a checkpoint that its tensors do not show; what is left out is as read_geometry has it.

    options: the method's learn options. mean, std: of a channel, 0.5 each unless given. license: of the weights.
    source: where it comes from, for the record.
    """

    name: str
    method: str = "selection"
    options: dict[str, Any] = field(default_factory=dict)
    heads: int | None = None
    pool: Literal["token", "avg"] | None = None
    norm: Literal["before-pool", "after-pool"] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    crop_pct: float = 0.9
    labels: tuple[str, ...] = ()
    license: str = "unknown"
    data_license: str = "unknown"
    description: str = ""
    source: str = "upload"

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise InvalidValue(f"mean and std have one value a channel, got {len(self.mean)} and {len(self.std)}")
        if not 0 < self.crop_pct <= 1:
            raise InvalidValue(f"crop_pct is above 0 and at most 1, got {self.crop_pct}")
        if not all(value > 0 for value in self.std):
            raise InvalidValue(f"every std is above 0, got {list(self.std)}")


def learngene_of(checkpoint: TensorFile, facts: Facts, *, scratch: Path | None = None) -> tuple[Manifest, TensorFile]:
    """The learngene, its version number still 1, and the file it stores: the same values in our own order.

    The same file where that is its order already and all of it is stored. scratch: a directory for a new one, which
    takes its size on disk while it is open. InvalidValue or UnknownName says what does not fit and what would.
    """
    prefixes_of = taking(facts.method)
    shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    geometry = read_geometry(shapes, heads=facts.heads, pool=facts.pool, norm=facts.norm)
    if wrong := [name for name, tensor in checkpoint.tensors.items() if tensor.dtype == INDEX]:
        raise InvalidValue(f"tensor {wrong[0]!r} is {INDEX}; weights are {', '.join(ITEM_BYTES)}, convert it first")
    method = METHODS[facts.method]
    options = config.parse(facts.options, method.learning, where=f"the options of {facts.method}")
    prefixes, own = prefixes_of(geometry.depth, options)
    file = _stored(checkpoint, prefixes, scratch)
    usual = (USUAL,) * geometry.channels
    manifest = Manifest(
        name=facts.name,
        version=1,
        method=facts.method,
        method_version=method.version,
        family="vit",
        geometry=geometry,
        space=method.space(geometry, own),
        varies=method.varies,
        method_facts=own,
        weights=gene.weigh(file),
        normalization=Normalization(facts.mean or usual, facts.std or usual, facts.interpolation, facts.crop_pct),
        labels=facts.labels,
        ancestor=ancestor_record(geometry, facts.source),
        training={},
        license=facts.license,
        data_license=facts.data_license,
        description=facts.description,
    )
    method.plan(manifest, manifest.space.nearest(geometry.depth, geometry.width), method.options())
    return manifest, file


def taking(method: str) -> Callable[[int, Any], Taken]:
    """What a method takes of a network; UnknownName or InvalidValue if it is none or needs more than the network."""
    if method not in METHODS:
        raise UnknownName("method", method, METHODS)
    if method not in TAKING:
        ways = "import the file as ancestor and let `learngenes learn` take it apart"
        if method == "subcloning":
            ways = "where torch and images are: `learngenes import FILE --method subcloning --train IMAGES`"
        raise InvalidValue(
            f"method {method!r} learns, and a network alone is not enough for that: {ways}; without learning: "
            f"{' or '.join(TAKING)}"
        )
    return TAKING[method]


def ancestor_record(geometry: Geometry, source: str) -> dict[str, Any]:
    """What the manifest says of the network."""
    return {"architecture": OWN_VIT, "arguments": {}, "source": source}


def rewritten(
    tensors: Mapping[str, tuple[str, tuple[int, ...], Callable[[], Iterator[memoryview]]]], scratch: Path | None
) -> TensorFile:
    """A new file of these tensors: dtype, shape, and what gives the pieces of its bytes. On disk until it is closed."""
    plan = header.layout({name: (dtype, shape) for name, (dtype, shape, _) in tensors.items()})
    with tempfile.TemporaryFile(dir=scratch) as file:
        file.write(plan.header)
        for name in plan.tensors:
            file.writelines(tensors[name][2]())
        file.flush()
        return TensorFile(FileMap(file.fileno()))


def _stored(checkpoint: TensorFile, prefixes: tuple[str, ...], scratch: Path | None) -> TensorFile:
    """The tensors that begin so, sorted by name, all of one dtype: float32 if they are not."""
    kept = {name: tensor for name, tensor in checkpoint.tensors.items() if name.startswith(prefixes)}
    dtypes = {tensor.dtype for tensor in kept.values()}
    dtype = dtypes.pop() if len(dtypes) == 1 else "F32"
    plan = header.layout({name: (dtype, tensor.shape) for name, tensor in kept.items()})
    if kept.keys() == checkpoint.tensors.keys() and bytes(checkpoint.view[: len(plan.header)]) == plan.header:
        return checkpoint

    def pieces(name: str) -> Callable[[], Iterator[memoryview]]:
        def one() -> Iterator[memoryview]:
            same = kept[name].dtype == dtype
            yield checkpoint.raw(name) if same else tensorfile.encode(checkpoint.array(name), dtype)

        return one

    return rewritten({name: (dtype, tensor.shape, pieces(name)) for name, tensor in kept.items()}, scratch)

"""What the service describes and what `fetch_model` returns.

Fields the service adds later are tolerated and found in `raw`.
torch, timm and safetensors are imported by the methods that need them, never before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from learngenes_client.errors import BadAnswer, MissingPackage

if TYPE_CHECKING:
    import torch

MODEL_FILE = "model.safetensors"
CONFIG_FILE = "config.json"

PATH = re.compile(r"(/[A-Za-z0-9._~%@+=-]+)+")

Json = Mapping[str, Any]
T = TypeVar("T")


def is_sha256(text: object) -> bool:
    """Whether text is 64 lower-case hex digits: a descendant's id or a file's sha256."""
    return isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a descendant. bytes: its length; sha256: 64 hex, or None while nobody has read it whole."""

    name: str
    bytes: int
    sha256: str | None
    url: str

    def __post_init__(self) -> None:
        if self.bytes < 0:
            raise BadAnswer(f"file {self.name!r} has {self.bytes} bytes")
        if self.sha256 is not None and not is_sha256(self.sha256):
            raise BadAnswer(f"file {self.name!r} has sha256 {self.sha256!r}, not 64 lower-case hex digits")
        if not PATH.fullmatch(self.url):
            raise BadAnswer(f"file {self.name!r} lies at {self.url!r}, not at a path of this service")


@dataclass(frozen=True, slots=True)
class Document:
    """A descendant, described. macs: multiply-adds; layer_map: for each block, the stage it comes from."""

    id: str
    learngene: str
    method: str
    family: str
    depth: int
    width: int
    dtype: str
    keys: str
    params: int
    macs: int
    files: tuple[RemoteFile, ...]
    quality: tuple[Json, ...] = ()
    init_report: Json = field(default_factory=dict)
    layer_map: tuple[int, ...] = ()
    lineage: tuple[Any, ...] = ()
    license: str = ""
    snippets: Json = field(default_factory=dict)
    raw: Json = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not is_sha256(self.id):
            raise BadAnswer(f"descendant id {self.id!r} is not 64 lower-case hex digits")

    def file(self, name: str) -> RemoteFile:
        """The file of that name; BadAnswer if the service offers none."""
        for file in self.files:
            if file.name == name:
                return file
        raise BadAnswer(f"descendant {self.id} offers no {name}; it has {[file.name for file in self.files]}")


@dataclass(frozen=True, slots=True)
class Steps:
    """first, first + step, ..., last: both ends included."""

    first: int
    last: int
    step: int


@dataclass(frozen=True, slots=True)
class Learngene:
    """One learngene the service can build from. depth, width: the sizes it can take."""

    name: str
    version: str
    method: str
    depth: Steps
    width: Steps
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Catalog:
    """All learngenes of a service. default: the name it takes when none is given, None if it has none."""

    default: str | None
    learngenes: tuple[Learngene, ...]


@dataclass(frozen=True, slots=True)
class Method:
    """One way from a learngene to a descendant."""

    name: str
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Model:
    """A checkpoint on this disk. path: its model.safetensors; config.json lies beside it."""

    path: Path
    document: Document

    @property
    def config(self) -> dict[str, Any]:
        """What config.json says: architecture, num_classes, model_args, ..."""
        config = json.loads((self.path.parent / CONFIG_FILE).read_bytes())
        if not isinstance(config, dict):
            raise BadAnswer(f"{CONFIG_FILE} of descendant {self.document.id} is not an object")
        return config

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Every tensor, on the CPU, in the file's own dtype. MissingPackage without safetensors and torch."""
        try:
            from safetensors.torch import load_file
        except ModuleNotFoundError as error:
            raise _missing("state_dict()", error) from error
        tensors: dict[str, torch.Tensor] = load_file(self.path)
        return tensors

    def to_timm(self) -> torch.nn.Module:
        """The network with these weights, in evaluation mode, float32 whatever the file's dtype.

        Every tensor must find its place (`strict=True`). MissingPackage without timm.
        """
        config = self.config
        if not isinstance(config.get("architecture"), str):
            raise BadAnswer(f"{CONFIG_FILE} of descendant {self.document.id} names no architecture")
        try:
            import timm
        except ModuleNotFoundError as error:
            raise _missing("to_timm()", error) from error
        options = dict(config.get("model_args") or {})
        if config.get("num_classes") is not None:
            options["num_classes"] = config["num_classes"]
        network: torch.nn.Module = timm.create_model(config["architecture"], pretrained=False, **options)
        network.load_state_dict(self.state_dict(), strict=True)
        return network.eval()


def _missing(what: str, error: ModuleNotFoundError) -> MissingPackage:
    package = (error.name or "").partition(".")[0]
    if package not in {"torch", "timm", "safetensors"}:
        raise error  # installed, but broken inside: its own words help more
    return MissingPackage(f"{what} needs {package}: pip install 'learngenes-client[timm]'")


def document_from(raw: Json) -> Document:
    """The document, checked; BadAnswer names the first field that is missing or of another type."""
    size = take(raw, "size", dict)
    return Document(
        id=take(raw, "id", str),
        learngene=take(raw, "learngene", str),
        method=take(raw, "method", str),
        family=take(raw, "family", str),
        depth=take(size, "depth", int),
        width=take(size, "width", int),
        dtype=take(raw, "dtype", str),
        keys=take(raw, "keys", str),
        params=take(raw, "params", int),
        macs=take(raw, "macs", int),
        files=tuple(_file_from(file) for file in objects(raw, "files")),
        quality=objects(raw, "quality", default=[]),
        init_report=take(raw, "init_report", dict, default={}),
        layer_map=tuple(take(raw, "layer_map", list, default=[])),
        lineage=tuple(take(raw, "lineage", list, default=[])),
        license=take(raw, "license", str, default=""),
        snippets=take(raw, "snippets", dict, default={}),
        raw=raw,
    )


def learngene_from(raw: Json) -> Learngene:
    """The learngene, checked like a document."""
    space = take(raw, "space", dict)
    return Learngene(
        name=take(raw, "name", str),
        version=str(raw.get("version", "")),
        method=take(raw, "method", str),
        depth=_steps_from(take(space, "depth", dict)),
        width=_steps_from(take(space, "width", dict)),
        raw=raw,
    )


def take(raw: Json, name: str, kind: type[T], *, default: T | None = None) -> T:
    """The value of a field; BadAnswer if it is of another type, or missing without a default."""
    value = raw.get(name, default)
    if type(value) is not kind:
        raise BadAnswer(f"field {name!r} of the answer should be {kind.__name__}, got {value!r:.80}")
    return value


def objects(raw: Json, name: str, *, default: list[Any] | None = None) -> tuple[Json, ...]:
    """The value of a field that is a list of JSON objects, checked like `take`."""
    entries = take(raw, name, list, default=default)
    if not all(isinstance(entry, dict) for entry in entries):
        raise BadAnswer(f"field {name!r} of the answer should hold objects, got {entries!r:.80}")
    return tuple(entries)


def _file_from(raw: Json) -> RemoteFile:
    sha256 = None if raw.get("sha256") is None else take(raw, "sha256", str)
    return RemoteFile(take(raw, "name", str), take(raw, "bytes", int), sha256, take(raw, "url", str))


def _steps_from(raw: Json) -> Steps:
    return Steps(take(raw, "first", int), take(raw, "last", int), take(raw, "step", int))

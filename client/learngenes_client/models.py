"""What the service describes. Fields it adds later are tolerated and found in `raw`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from learngenes_client.errors import BadAnswer, IntegrityError

MODEL_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
RECIPE_FILE = "recipe.json"
PREPROCESSOR_FILE = "preprocessor_config.json"

PATH = re.compile(r"(/[A-Za-z0-9._~%@+=-]+)+")
LONGEST_PATH = 2000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
OURS = re.compile(r"document\.json|.*\.(part|etag|unsettled)", re.IGNORECASE)
"""Names that a file of a descendant can't have: the cache keeps its own notes under them."""

DECIDED = (MODEL_FILE, RECIPE_FILE)
"""Files whose every byte the id decides; of the others a later service may have more to say."""

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
        if not NAME.fullmatch(self.name) or OURS.fullmatch(self.name):
            raise BadAnswer(f"a file is named {self.name!r:.80}, which is no plain file name or one of the cache's own")
        if self.bytes < 0:
            raise BadAnswer(f"file {self.name!r} has {self.bytes} bytes")
        if self.sha256 is not None and not is_sha256(self.sha256):
            raise BadAnswer(f"file {self.name!r} has sha256 {self.sha256!r}, not 64 lower-case hex digits")
        if not PATH.fullmatch(self.url) or len(self.url) > LONGEST_PATH:
            raise BadAnswer(f"file {self.name!r} lies at {self.url!r:.200}, not at a path of this service")


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
        names = [file.name.lower() for file in self.files]
        if len(set(names)) < len(names):
            raise BadAnswer(f"descendant {self.id} has two files of one name among {sorted(names)}")

    def file(self, name: str) -> RemoteFile:
        """The file of that name; BadAnswer if the service offers none."""
        for file in self.files:
            if file.name == name:
                return file
        raise BadAnswer(f"descendant {self.id} offers no {name}; it has {[file.name for file in self.files]}")

    def offers(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return any(file.name == name for file in self.files)

    def must_agree(self, later: Document) -> None:
        """IntegrityError if a later document says otherwise of a file that the id decides: one id is one content."""
        for name in DECIDED:
            if not (self.offers(name) and later.offers(name)):
                continue
            mine, other, what = self.file(name), later.file(name), f"{name} of descendant {self.id}"
            if mine.bytes != other.bytes:
                raise IntegrityError(what, "bytes", expected=mine.bytes, actual=other.bytes)
            if None not in (mine.sha256, other.sha256) and mine.sha256 != other.sha256:
                raise IntegrityError(what, "sha256", expected=mine.sha256, actual=other.sha256)

    def with_sha256(self, name: str, sha256: str | None) -> Document:
        """The same document, but that it knows the sha256 of that file."""
        files = [dict(file) | ({"sha256": sha256} if file["name"] == name else {}) for file in self.raw["files"]]
        return document_from({**self.raw, "files": files})


@dataclass(frozen=True, slots=True)
class Steps:
    """first, first + step, ..., last: both ends included."""

    first: int
    last: int
    step: int


@dataclass(frozen=True, slots=True)
class Learngene:
    """One learngene the service can build from. depth, width: the sizes it can take.

    fitted: sizes that were fitted, of a learngene whose method needs that; parent: of one that was fitted to a size,
    what it was fitted to. yanked: why this version was taken back, None if it was not.
    """

    name: str
    version: str
    method: str
    depth: Steps
    width: Steps
    fitted: tuple[Json, ...] = ()
    parent: str | None = None
    yanked: str | None = None
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Catalog:
    """All learngenes of a service. default: the name it takes when none is given, None if it has none."""

    default: str | None
    learngenes: tuple[Learngene, ...]


@dataclass(frozen=True, slots=True)
class Method:
    """One way from a learngene to a descendant.

    varies: what a request may change; fits: whether its sizes can be fitted on data. options: of planning, learning:
    of learning, each name with the JSON Schema of its value: `default`, `description`, type.
    """

    name: str
    title: str = ""
    paper: str = ""
    varies: tuple[str, ...] = ()
    fits: bool = False
    options: Json = field(default_factory=dict)
    learning: Json = field(default_factory=dict)
    raw: Json = field(default_factory=dict, repr=False)


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
        depth=steps_from(take(space, "depth", dict)),
        width=steps_from(take(space, "width", dict)),
        fitted=objects(raw, "fitted", default=[]),
        parent=take(take(raw, "parent", dict), "learngene", str) if isinstance(raw.get("parent"), dict) else None,
        yanked=take(take(raw, "yanked", dict), "reason", str) if isinstance(raw.get("yanked"), dict) else None,
        raw=raw,
    )


def method_from(raw: Json) -> Method:
    """The method; all but its name may be missing."""
    return Method(
        name=take(raw, "name", str),
        title=take(raw, "title", str, default=""),
        paper=take(raw, "paper", str, default=""),
        varies=tuple(str(name) for name in take(raw, "varies", list, default=[])),
        fits=take(raw, "fits", bool, default=False),
        options=take(take(raw, "options", dict, default={}), "properties", dict, default={}),
        learning=take(take(raw, "learning", dict, default={}), "properties", dict, default={}),
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


def steps_from(raw: Json) -> Steps:
    """The steps, checked like a document."""
    return Steps(take(raw, "first", int), take(raw, "last", int), take(raw, "step", int))

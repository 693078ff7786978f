"""What the environment decides, for the service and for a worker. Nothing else reads it."""

from __future__ import annotations

import dataclasses
import ipaddress
import math
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from learngenes.errors import InvalidValue, UnknownName

PREFIX = "LEARNGENES_"
NO_QUEUE = "none"
"""Given as redis_url: no private Redis either, jobs are refused."""

Scope = Literal["read", "train", "admin"]
"""What a caller may do, each including those before it."""

# Read by the client and by jobs, not by us: no typo.
_FOREIGN = {"URL", "CACHE", "KEY", "OFFLINE", "PARENT"}
_SIZE = re.compile(r"([0-9]{1,15})([KMGT]?)B?", re.ASCII | re.IGNORECASE)
_RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)", re.ASCII)
_REDIS = re.compile(
    r"(rediss?://([^@/]*@)?(\[[0-9A-Fa-f:.]+\]|[^:/?#@\s]+)(:[0-9]{1,5})?(/[0-9]*)?|unix://\S+)(\?\S*)?", re.ASCII
)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _says(meaning: str, default: Any, **more: Any) -> Any:
    """A field whose variable means this. most, least: of a number."""
    return field(default=default, metadata={"meaning": meaning, **more})


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things listen and lie, who may do what, and how much of it. Every field is a variable of its name."""

    data: Path = field(metadata={"meaning": "directory for everything that is written beside the store"})
    store: str = field(
        metadata={
            "meaning": "the learngenes, recipes and job records: a directory, or s3://, gs:// or az://bucket/prefix; "
            "`<data>/store` if not given"
        }
    )
    host: str = _says("address to listen on", "127.0.0.1")
    port: int = _says("port to listen on; 0 takes a free one", 8000, most=65535)
    default: str = _says("learngene that answers a request which names none", "sws-small-cifar100")
    starter: bool = _says("1: the learngenes that ship are put into the store at the start; 0: they are not", True)
    zero_copy: bool = _says(
        "1: stored bytes go from the page cache straight to the socket; 0: through the process", True
    )
    cache_bytes: int = _says(
        "disk for learngenes fetched from an object store, and as much for those in another dtype; the oldest leave",
        20 * 10**9,
        size=True,
    )
    redis_url: str = _says(
        "Redis or Valkey of the queue, such as redis://:password@host:6379/0; empty: `learngenes serve` starts a "
        "private one in the data directory; `none`: no queue, jobs are refused",
        "",
    )
    workers: int = _says("worker processes that `learngenes serve` starts beside its private Redis", 1, most=64)
    images: Path | None = field(
        default=None,
        metadata={"meaning": "directory of the images that jobs learn from; `<data>/images` if not given"},
    )
    ranks: int = _says("processes (GPUs) that a worker gives one learning job, by torchrun if above 1", 1, least=1)
    job_hours: float = _says("longest time of one job", 72.0, least=0.001)
    run_bytes: int = _says("disk that one job may take for its run", 100 * 10**9, size=True)
    free_bytes: int = _says("disk that has to be free for a job to start or go on", 10**9, size=True)
    keep_jobs_days: float = _says("ended jobs are forgotten after so many days", 90.0)
    anonymous: Literal["none", "read", "train", "admin"] = _says(
        "what a request without a key may do; `train` if not given and the service listens on the loopback alone "
        "with a private Redis, else `read`",
        "read",
    )
    rate: str = _says("requests of one key or address, such as 600/minute; empty: any number", "")
    body_bytes: int = _says(
        "largest body of a request; the default has room for the names of some 50,000 classes",
        1 << 20,
        size=True,
        least=1024,
    )
    upload_bytes: int = _says("largest file that may be uploaded", 5 * 10**9, size=True, least=1024)
    staged_bytes: int = _says(
        "room for files that were uploaded and not published; those of yesterday leave it", 20 * 10**9, size=True
    )
    log: Literal["text", "json"] = _says("lines of the log: for people, or JSON for machines", "text")

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                least, most = entry.metadata.get("least", 0), entry.metadata.get("most", math.inf)
                if not least <= value <= most:
                    limit = f"at least {least}" if most == math.inf else f"{least} to {most}"
                    raise InvalidValue(f"{PREFIX}{entry.name.upper()} is {limit}, got {value}")
        if self.rate and not _RATE.fullmatch(self.rate):
            raise InvalidValue(
                f"{PREFIX}RATE is a number a second, minute, hour or day such as 600/minute, got {self.rate!r}"
            )

        if self.redis_url not in ("", NO_QUEUE) and not _REDIS.fullmatch(self.redis_url):
            begin, at, rest = self.redis_url.rpartition("@")  # a password is not shown
            raise InvalidValue(
                f"{PREFIX}REDIS_URL is redis://[:password@]host[:port][/number], rediss:// likewise, unix:///socket or "
                f"{NO_QUEUE!r}, got {('...' if begin else '') + at + rest!r}"
            )

    @property
    def runs(self) -> Path:
        """Where jobs keep checkpoints while they run: one directory each, named by the job's id."""
        return self.data / "runs"

    @property
    def image_directory(self) -> Path:
        """Where relative paths of images start."""
        return self.images or self.data / "images"


MEANINGS = {entry.name.upper(): str(entry.metadata["meaning"]) for entry in dataclasses.fields(Settings)}
"""Every variable, without its prefix, and what it means; docs/settings.md is made from this."""


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings; an empty variable counts as not given.

    UnknownName for a LEARNGENES_ variable that nobody reads, InvalidValue for one that makes no sense.
    """
    given = {key.removeprefix(PREFIX): value for key, value in environment.items() if key.startswith(PREFIX)}
    for name in given.keys() - MEANINGS.keys() - _FOREIGN:
        raise UnknownName("environment variable", PREFIX + name, [PREFIX + known for known in MEANINGS])
    home = Path(environment.get("XDG_DATA_HOME") or Path(environment.get("HOME", "/tmp")) / ".local/share")  # noqa: S108
    data = Path(given.get("DATA") or home / "learngenes")
    hints = typing.get_type_hints(Settings)
    values: dict[str, Any] = {"data": data, "store": str(data / "store")}
    for entry in dataclasses.fields(Settings):
        name = entry.name.upper()
        if given.get(name):
            size = bool(entry.metadata.get("size"))
            values[entry.name] = _read(PREFIX + name, given[name], hints[entry.name], size=size)
    if not given.get("ANONYMOUS") and not values.get("redis_url") and is_loopback(values.get("host", "127.0.0.1")):
        values["anonymous"] = "train"
    return Settings(**values)


def _read(name: str, text: str, hint: Any, *, size: bool) -> Any:
    """The text as the annotated type."""
    if hint in (Path, Path | None):
        return Path(text)
    if hint is bool:
        if text not in ("0", "1"):
            raise InvalidValue(f"{name} is 0 or 1, got {text!r}")
        return text == "1"
    if typing.get_origin(hint) is Literal:
        if text not in typing.get_args(hint):
            raise UnknownName(f"value of {name}", text, typing.get_args(hint))
        return text
    if size:
        if not (found := _SIZE.fullmatch(text)):
            raise InvalidValue(f"{name} is a number of bytes such as 500M or 20G, got {text!r}")
        return int(found[1]) * _UNITS[found[2].upper()]
    if hint is int:
        if not (text.isascii() and text.isdecimal() and len(text) < 19):
            raise InvalidValue(f"{name} is a whole number, got {text!r}")
        return int(text)
    if hint is float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise InvalidValue(f"{name} is a number, got {text!r}")
        return number
    return text


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener of this name or address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

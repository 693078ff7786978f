"""What the environment decides. Nothing else reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from learngenes.errors import InvalidValue, UnknownName

PREFIX = "LEARNGENES_"
MEANINGS = {
    "HOST": "address to listen on",
    "PORT": "port to listen on; 0 takes a free one",
    "DATA": "directory for everything that is written beside the store",
    "STORE": "directory of the learngenes and of the recipes asked for; `<data>/store` if not given",
    "ZERO_COPY": "1: stored bytes go from the page cache straight to the socket; 0: through the process",
    "DEFAULT": "learngene that answers a request which names none",
}
"""Every variable, without its prefix, and what it means; docs/settings.md is made from this."""

# Read by the client, not by us: no typo.
_FOREIGN = {"URL", "CACHE"}


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the service listens and where it keeps things."""

    data: Path
    store: Path
    host: str = "127.0.0.1"
    port: int = 8000
    default: str = "sws-small-cifar100"
    zero_copy: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise InvalidValue(f"{PREFIX}PORT is 0 to 65535, got {self.port}")


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings; an empty variable counts as not given.

    UnknownName for a LEARNGENES_ variable that nobody reads, InvalidValue for one that makes no sense.
    """
    given = {key.removeprefix(PREFIX): value for key, value in environment.items() if key.startswith(PREFIX)}
    for name in given.keys() - MEANINGS.keys() - _FOREIGN:
        raise UnknownName("environment variable", PREFIX + name, [PREFIX + known for known in MEANINGS])
    home = Path(environment.get("XDG_DATA_HOME") or Path(environment.get("HOME", "/tmp")) / ".local/share")  # noqa: S108
    data = Path(given.get("DATA") or home / "learngenes")
    port = given.get("PORT") or "8000"
    if not (port.isascii() and port.isdecimal()):
        raise InvalidValue(f"{PREFIX}PORT is a whole number, got {port!r}")
    zero_copy = given.get("ZERO_COPY") or "1"
    if zero_copy not in ("0", "1"):
        raise InvalidValue(f"{PREFIX}ZERO_COPY is 0 or 1, got {zero_copy!r}")
    return Settings(
        data=data,
        store=Path(given.get("STORE") or data / "store"),
        host=given.get("HOST") or "127.0.0.1",
        port=int(port),
        default=given.get("DEFAULT") or "sws-small-cifar100",
        zero_copy=zero_copy == "1",
    )

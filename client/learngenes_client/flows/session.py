"""What every flow of one client works with."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from learngenes_client.building import Weights
from learngenes_client.cache import Cache
from learngenes_client.errors import MissingPackage, Offline
from learngenes_client.progress import Progress


@dataclass(frozen=True, slots=True)
class Session:
    """A service's address, a cache, and how they are used.

    offline: nothing is asked; local: descendants are built on this machine, None where that saves bytes and the library
    is there. verified: learngenes in the cache whose every byte was read: path, inode, length, time of last change;
    manifests: what those say that were read, by their sha256. clock: seconds, for how long something lasts.
    """

    address: str
    cache: Cache
    offline: bool = False
    local: bool | None = None
    progress: Progress | None = None
    verified: set[tuple[str, int, int, int]] = field(default_factory=set)
    manifests: dict[str, Weights] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        if self.local and not has_library():
            raise MissingPackage("building here needs learngenes: pip install 'learngenes-client[local]'")

    @property
    def builds(self) -> bool:
        """Whether descendants may be built on this machine."""
        return has_library() if self.local is None else self.local

    def need_network(self, what: str) -> None:
        """Offline if nothing is to be asked. what: was asked for."""
        if self.offline:
            raise Offline(f"offline, and {what} is not in the cache {self.cache.root}: ask once without offline")


def has_library() -> bool:
    """Whether learngenes is installed; it is not imported for that."""
    return importlib.util.find_spec("learngenes") is not None

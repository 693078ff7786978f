"""New names: what would read like something else in an address is refused where a name is given, and read for ever."""

from __future__ import annotations

import re

from learngenes.errors import InvalidKey

RESERVED = frozenset(
    {
        *("v1", "api", "docs", "redoc", "openapi.json", "page", "jobs", "upload", "initialize", "problems"),
        *("healthz", "readyz", "metrics", "static", "assets", "learngenes", "resolve"),
        *("models", "datasets", "spaces", "kernels", "buckets"),
    }
)
"""First parts of the service's paths, and of those of hubs."""

SIZE = re.compile(
    r"(?:(?:depth|d)([0-9]{1,9})[._-]?(?:width|w)([0-9]{1,9})|([0-9]{1,9})x([0-9]{1,9}))"
    r"(?:[._-]?(?:heads|h)([0-9]{1,9}))?(-hf)?",
    re.ASCII,
)
"""Every spelling of a size: depth and width in groups 1 and 2, or 3 and 4; heads in 5; whose tensor names in 6."""

_REVISION = re.compile(r"main|head|v[0-9]+|[0-9a-f]{40}", re.ASCII)


def check_new_name(name: str) -> str:
    """The name itself; InvalidKey for a new learngene that nobody could name in an address."""
    if name in RESERVED:
        raise InvalidKey(f"{name!r} can't name a learngene: it stands for something else in addresses; choose another")
    if SIZE.fullmatch(name):
        raise InvalidKey(f"{name!r} can't name a learngene: it reads like a size; put what it learned into the name")
    if name.endswith(".git"):
        raise InvalidKey(f"{name!r} can't name a learngene: hubs take .git off a name; leave it out")
    return name


def check_new_alias(alias: str) -> str:
    """The alias itself; InvalidKey for a new one that reads like another revision in an address."""
    if _REVISION.fullmatch(alias) or SIZE.fullmatch(alias):
        raise InvalidKey(
            f"{alias[:80]!r} can't be a new alias: as a revision it stands for a version, a size, a commit or `main`; "
            f"choose a word, like 'best'"
        )
    return alias

"""Commit ids: 40 hex digits that stand for exactly these files, for ever, and say themselves where to look for them.

    25 digits of a digest, 1 of the names of tensors, 5 of the version, 3 of the depth, 6 of the width

The digest covers the repository, the recipe and every small file, so an id is a pure function of what is served: it is
written down nowhere, survives restarts and is the same on every replica. The numbers behind it are decimal, which is
legal hex: from the id alone its files are computed again, and if they have another id by now, it is gone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from learngenes.initialize import Request
from learngenes.recipe import KEYS, Keys
from learngenes.sizes import Size

FORMAT = 1
_DIGEST = 25
_COMMIT = re.compile(rf"[0-9a-f]{{{_DIGEST}}}([0-9])([0-9]{{5}})([0-9]{{3}})([0-9]{{6}})", re.ASCII)
_LIKE_ONE = re.compile(r"[0-9a-f]{40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """What a commit is of: a version of a learngene, a size of it, whose names the tensors have."""

    version: int
    size: Size
    keys: Keys

    @property
    def fits(self) -> bool:
        """Whether an id has room for these numbers."""
        return self.version < 10**5 and self.size.depth < 10**3 and self.size.width < 10**6

    @property
    def request(self) -> Request:
        """What is asked of the learngene."""
        return Request(depth=self.size.depth, width=self.size.width, keys=self.keys)


def commit_id(repo: str, place: Place, *, recipe: str, oids: Mapping[str, str]) -> str:
    """The id. repo: its canonical name; recipe: digest of the recipe; oids: the git digest of every small file."""
    assert place.fits
    covered = json.dumps([FORMAT, repo, recipe, sorted(oids.items())], separators=(",", ":"))
    digest = hashlib.sha256(covered.encode()).hexdigest()[:_DIGEST]
    return f"{digest}{KEYS.index(place.keys)}{place.version:05}{place.size.depth:03}{place.size.width:06}"


def is_commit(text: str) -> bool:
    """Whether a revision can only be meant as a commit id."""
    return bool(_LIKE_ONE.fullmatch(text))


def place_of(commit: str) -> Place | None:
    """Where to look for the files of an id; None if it is not one of ours."""
    found = _COMMIT.fullmatch(commit)
    if found is None:
        return None
    keys, version, depth, width = (int(digits) for digits in found.groups())
    if keys >= len(KEYS) or not (version and depth and width):
        return None
    return Place(version, Size(depth, width), KEYS[keys])


def git_oid(raw: bytes) -> str:
    """What git calls these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


def lfs_pointer(sha256: str, size: int) -> bytes:
    """What git keeps of a large file."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()

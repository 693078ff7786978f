"""Names of repositories and revisions: which learngene, which size, whose tensor names.

<learngene>/depth9-width384         one size; with `-hf` behind it in the names of transformers
<learngene>/<learngene>             all sizes: its revisions `depth9-width384` name them, `main` is the learngene's own

Other spellings of a size (`d9-w384`, `9x384`, its own heads said) lead to the same repository by a redirect.
"""

from __future__ import annotations

from dataclasses import dataclass

from learngenes.names import RESERVED, SIZE
from learngenes.recipe import Keys
from learngenes.sizes import Size

MOST_LETTERS = 96
"""Clients refuse longer ids of repositories."""

SUFFIX: dict[Keys, str] = {"timm": "", "transformers": "-hf"}
"""What a name ends with, by whose names the tensors have."""


@dataclass(frozen=True, slots=True)
class Sized:
    """depth, width and names of tensors. heads: as somebody spelled them out, to be checked."""

    depth: int
    width: int
    keys: Keys = "timm"
    heads: int | None = None

    @property
    def name(self) -> str:
        """`depth9-width384`, the one canonical spelling."""
        return Size(self.depth, self.width).name + SUFFIX[self.keys]


def of_size(size: Size, keys: Keys) -> Sized:
    """The same size, by whose names."""
    return Sized(size.depth, size.width, keys)


def sized(text: str) -> Sized | None:
    """The size that a text spells, in whichever way; None if it spells none."""
    found = SIZE.fullmatch(text)
    if found is None:
        return None
    depth, width = int(found[1] or found[3]), int(found[2] or found[4])
    if not (depth and width):
        return None
    return Sized(depth, width, "transformers" if found[6] else "timm", int(found[5]) if found[5] else None)


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository. size: None for that of all sizes."""

    learngene: str
    size: Sized | None = None

    @property
    def id(self) -> str:
        """`<learngene>/<name>` in the canonical spelling."""
        return f"{self.learngene}/{self.size.name if self.size else self.learngene}"

    @property
    def can_be_named(self) -> bool:
        """Whether clients let their users name it, this service its namespace, and no other is called so."""
        if self.size is not None and self.size.name == self.learngene:
            return False
        fits = len(self.id) <= MOST_LETTERS and not self.id.endswith(".git")
        return fits and self.learngene not in RESERVED


def repo(text: str) -> Repo | None:
    """The repository that `namespace/name` spells, or a bare `name`; None if none of ours can be called so."""
    namespace, slash, name = text.partition("/")
    if namespace in RESERVED:
        return None
    if not slash or name == namespace:
        return Repo(namespace)
    size = sized(name)
    return None if size is None else Repo(namespace, size)

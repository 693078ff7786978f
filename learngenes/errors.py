"""Every way our callers can be told no.

    LearngenesError
    ├── InvalidValue            a value that can't be, with what would be
    │   ├── UnknownName         a key, method, option or dtype nobody knows; names the nearest known one
    │   ├── InvalidKey          a store key or learngene name that could leave its place
    │   ├── UnsupportedSize     a size this learngene can't take; carries the legal space and the nearest size
    │   └── NeedsLearning       a size that has to be fitted first; carries the sizes that are ready
    ├── BadTensorFile           bytes that are not the safetensors we accept
    ├── BadManifest             a manifest that does not describe a learngene
    ├── BadRecipe               a recipe that can't be computed
    ├── CorruptLearngene        stored bytes that are not the ones the manifest promises
    ├── BadData                 training images that can't be read
    ├── BadCheckpoint           a training state that does not fit what is to be resumed
    ├── BlobNotFound            no such key in the store
    ├── BlobExists              the key is taken, and keys are never rewritten
    ├── StoreUnavailable        a store that can't be asked, or won't; the same again may work
    ├── LearngeneNotFound       no learngene of that name and version
    ├── Yanked                  a version that was taken back, with the reason
    ├── NotSigned               nobody signed this learngene
    └── BadSignature            a signature that is none, or not of this

`code` is stable: clients branch on it. The classes know nothing of HTTP.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from learngenes.sizes import Size, SizeSpace


class LearngenesError(Exception):
    """Base of all errors of this library; the text is one sentence for the caller."""

    code: ClassVar[str] = "error"


class InvalidValue(LearngenesError, ValueError):
    """A value that can't be; the text names it and what would be legal."""

    code = "invalid-value"


class UnknownName(InvalidValue):
    """A name nobody knows; the text offers the nearest known one."""

    code = "unknown-name"

    def __init__(self, what: str, name: object, known: Iterable[str]) -> None:
        self.what, self.name, self.known = what, name, tuple(known)
        super().__init__(f"unknown {what} {name!r}; {suggest(str(name), self.known)}")


class InvalidKey(InvalidValue):
    """A store key or learngene name with characters or parts that are not allowed."""

    code = "invalid-key"


class UnsupportedSize(InvalidValue):
    """A size this learngene can't take.

    space: all sizes it can; nearest: the legal size closest to the one asked for.
    """

    code = "unsupported-size"

    def __init__(self, message: str, *, space: SizeSpace, nearest: Size) -> None:
        self.space, self.nearest = space, nearest
        super().__init__(message)


class NeedsLearning(InvalidValue):
    """A size that this learngene can take once it has been fitted to it on a little data.

    learngene: its reference; lacks: what it has of other sizes and not of this; size: the one asked for; ready: what
    can be had at once, nearest first; instead: what can be asked for without fitting.
    """

    code = "needs-learning"

    def __init__(self, learngene: str, *, lacks: str, size: Size, ready: tuple[Size, ...], instead: str) -> None:
        self.learngene, self.lacks, self.size, self.ready, self.instead = learngene, lacks, size, ready, instead
        name = learngene.partition("@")[0]
        named = ", ".join(f"depth {s.depth} width {s.width}" for s in ready[:4])
        super().__init__(
            f"learngene {learngene} has no {lacks} for depth {size.depth}, width {size.width}; it has them for "
            f"{named}{', ...' if len(ready) > 4 else ''}; fit them on a little data: learngenes fit-size "
            f"{name} --depth {size.depth} --width {size.width} ..., or {instead}"
        )

    def with_ready(self, ready: tuple[Size, ...]) -> NeedsLearning:
        """The same, with other sizes that can be had at once."""
        return NeedsLearning(self.learngene, lacks=self.lacks, size=self.size, ready=ready, instead=self.instead)


class BadTensorFile(LearngenesError, ValueError):
    """Bytes that are not the safetensors we accept."""

    code = "bad-tensor-file"


class BadManifest(LearngenesError, ValueError):
    """A manifest that does not describe a learngene."""

    code = "bad-manifest"


class BadRecipe(LearngenesError, ValueError):
    """A recipe that can't be computed from its learngene."""

    code = "bad-recipe"


class CorruptLearngene(LearngenesError):
    """Stored bytes that are not the ones the manifest promises."""

    code = "corrupt-learngene"


class BadData(LearngenesError, ValueError):
    """Training images that can't be found or read."""

    code = "bad-data"


class BadCheckpoint(LearngenesError, ValueError):
    """A training state or ancestor checkpoint that does not fit."""

    code = "bad-checkpoint"


class BlobNotFound(LearngenesError, KeyError):
    """No such key in the store."""

    code = "blob-not-found"

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(key)

    def __str__(self) -> str:
        return f"the store holds nothing under {self.key!r}"


class BlobExists(LearngenesError):
    """The key is taken, and keys are never rewritten."""

    code = "blob-exists"

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key!r} is already in the store, and what is published never changes")


class StoreUnavailable(LearngenesError, OSError):
    """A store that can't be asked, or won't; the text names what was tried, and never credentials."""

    code = "store-unavailable"


class LearngeneNotFound(LearngenesError, LookupError):
    """No learngene of that name and version. known: names; versions: of the learngene, if its name is one of them."""

    code = "learngene-not-found"

    def __init__(self, name: str, known: Iterable[str], *, versions: Iterable[int] = ()) -> None:
        self.name, self.known = name, tuple(known)
        there = ", ".join(map(str, versions))
        way = f"its versions are {there}" if there else suggest(name, self.known, listed=_whole(self.known))
        super().__init__(f"no learngene {name!r} here; {way}")


class Yanked(LearngenesError):
    """A version that was taken back; reason and at say why and when."""

    code = "yanked"

    def __init__(self, reference: str, *, reason: str, at: str) -> None:
        self.reference, self.reason, self.at = reference, reason, at
        super().__init__(f"learngene {reference} was taken back: {reason}; to have it all the same, allow yanked ones")


class NotSigned(LearngenesError, LookupError):
    """There is no signature of this learngene."""

    code = "not-signed"


class BadSignature(LearngenesError, ValueError):
    """A signature that is none, is not of this key, or is of other bytes."""

    code = "bad-signature"


def suggest(name: str, known: Iterable[str], *, listed: Iterable[str] | None = None) -> str:
    """One clause that leads on: the nearest known name, or all of them, or those listed of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    names = names if listed is None else sorted(listed)
    return f"known: {', '.join(names)}" if names else "none are known"


def _whole(names: Iterable[str]) -> list[str]:
    """Without the fitted sizes of those that are there: they answer for these by themselves."""
    known = set(names)
    return [name for name in known if name.rpartition("-depth")[0] not in known]

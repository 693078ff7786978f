"""A descendant that is described, brought to this disk: its small files, and its weights built here or downloaded."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from learngenes_client import calls
from learngenes_client.cache import holds
from learngenes_client.effects import Flow, ask, work
from learngenes_client.errors import BadAnswer, CantBuild, IntegrityError
from learngenes_client.flows import local
from learngenes_client.flows.download import fetch_small, fill_turn
from learngenes_client.flows.session import Session
from learngenes_client.flows.turns import our_turn
from learngenes_client.model import Model
from learngenes_client.models import CONFIG_FILE, MODEL_FILE, PREPROCESSOR_FILE, RECIPE_FILE, Document
from learngenes_client.progress import Progress, bar

FOLDERS = 5
"""So often its folder is made anew, if each is pruned beside us before all is in it."""


def described(id: str, *, allow_yanked: bool) -> Flow[Document]:
    """The service's document of an id; BadAnswer if it is of another."""
    document = calls.read_document((yield from ask(calls.descendant(id, allow_yanked=allow_yanked))))
    if document.id != id:
        raise BadAnswer(f"descendant {id} was asked for, and the service described {document.id}")
    return document


def in_cache(self: Session, id: str) -> Flow[Document | None]:
    """The document of an id that was kept, if one was."""
    return (yield from work(lambda: self.cache.document(id)))


def bring(self: Session, document: Document, *, allow_yanked: bool) -> Flow[Model]:
    """The files that it is loaded from. What is pruned beside us is brought again."""
    for left in reversed(range(FOLDERS)):
        try:
            model = yield from _brought(self, document, allow_yanked=allow_yanked)
        except FileNotFoundError:
            if not left:
                raise
            continue
        if (yield from work(lambda: self.cache.has(document))):
            break
    return model


def _brought(self: Session, document: Document, *, allow_yanked: bool) -> Flow[Model]:
    """The small files as they are, the weights built here or downloaded; nobody else is at its folder meanwhile."""
    folder = yield from work(lambda: self.cache.open(document))
    document = (yield from in_cache(self, document.id)) or document  # with a sha256 that an earlier one knew
    path = folder / MODEL_FILE
    if (yield from work(lambda: self.cache.has(document))):
        return Model(path, document)
    with (yield from our_turn(path)) as held:
        for name in (CONFIG_FILE, PREPROCESSOR_FILE):
            if name == CONFIG_FILE or document.offers(name):
                yield from fetch_small(document.file(name), folder / name, allow_yanked=allow_yanked)
        if self.progress is not None:
            return (yield from _weights(self, document, path, held, self.progress, allow_yanked))
        with bar(f"{document.learngene} {document.depth}x{document.width}") as shown:
            return (yield from _weights(self, document, path, held, shown, allow_yanked))


def _weights(
    self: Session, document: Document, path: Path, held: BinaryIO, progress: Progress | None, allow_yanked: bool
) -> Flow[Model]:
    """Built here if that was asked for, or if it can be and what is missing for it is not more than the checkpoint."""
    if self.builds and not holds(path, document.file(MODEL_FILE)):
        try:
            kit = yield from local.gather(self, document, allow_yanked=allow_yanked)
            if self.local or kit.missing_bytes <= document.file(MODEL_FILE).bytes:
                yield from local.build(self, kit, document, path, held, progress=progress, allow_yanked=allow_yanked)
                return Model(path, document)
        except (CantBuild, IntegrityError):
            if self.local:
                raise
    return (yield from _downloaded(self, document, path, held, progress, allow_yanked))


def _downloaded(
    self: Session, document: Document, path: Path, held: BinaryIO, progress: Progress | None, allow_yanked: bool
) -> Flow[Model]:
    """As it is, checked by its sha256; and its recipe, where the service has it, by the id."""
    if document.offers(RECIPE_FILE):
        with suppress(CantBuild):
            yield from local.recipe(self, document, allow_yanked=allow_yanked)
    if document.file(MODEL_FILE).sha256 is None:  # so that what comes can be checked
        known = yield from described(document.id, allow_yanked=allow_yanked)
        if _lengths(known) != _lengths(document):
            raise BadAnswer(f"the service describes the files of descendant {document.id} in two ways")
        yield from work(lambda: self.cache.open(known))
        document = known
    yield from fill_turn(held, document.file(MODEL_FILE), path, progress=progress, allow_yanked=allow_yanked)
    return Model(path, document)


def _lengths(document: Document) -> dict[str, int]:
    return {file.name: file.bytes for file in document.files}

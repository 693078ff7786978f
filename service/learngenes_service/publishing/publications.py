"""From what was uploaded and what is said of it to a published version. Blocking: call it in threads."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from learngenes import gene
from learngenes.aliases import check_movable
from learngenes.catalog import Catalog
from learngenes.errors import (
    BadManifest,
    BadRecipe,
    BadTensorFile,
    BlobExists,
    BlobNotFound,
    CorruptLearngene,
    InvalidValue,
    LearngeneNotFound,
)
from learngenes.gene import Manifest
from learngenes.importing.checkpoint import learngene_of, taking
from learngenes.importing.checks import check
from learngenes.names import check_new_name
from learngenes.publish import publish_as_next
from learngenes.store import check_name
from learngenes.tensorfile import TensorFile
from learngenes_service.access.callers import Caller, need
from learngenes_service.problems import ProblemResponse, Refusal
from learngenes_service.publishing.bodies import CheckpointBody, ManifestBody, digest_of
from learngenes_service.publishing.room import roomy
from learngenes_service.publishing.staging import Staging

MOST_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks. owner: of uploads, see owner_of; catalog: the learngenes that the caller sees."""

    caller: Caller
    owner: str
    catalog: Catalog


@dataclass(frozen=True, slots=True)
class Publications:
    """catalog: the whole one; scratch: a directory for files in the making; most_bytes: of one upload.

    turn: to be waited for, since each publication reads its file several times.
    """

    catalog: Catalog
    staging: Staging
    scratch: Path
    most_bytes: int
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_AT_ONCE))

    def there(self, sha256: str, caller: Caller, owner: str) -> int | None:
        """Bytes of a file that need not be sent: the owner's waits, or it is published and the caller may see all."""
        if (staged := self.staging.promised(sha256, owner)) is not None:
            return staged.bytes
        with contextlib.suppress(BlobNotFound):
            if caller.sees_private:
                return memoryview(self.catalog.store.open(f"blobs/sha256/{sha256}")).nbytes
        return None

    def publish(self, body: ManifestBody | CheckpointBody, asked: Asked) -> tuple[Manifest, bool]:
        """The version that has this content from now on, and whether it is new. Refusal or an error of the library."""
        receipt = f"pushed/{digest_of(body)}"
        with contextlib.suppress(BlobNotFound, LearngeneNotFound):  # sent again, since the answer was lost
            return asked.catalog.get(self.catalog.store.read(receipt).decode()), False
        if body.alias is not None:
            check_movable(body.alias)
        try:
            with roomy():
                manifest, file = self._made(body, asked)
        except (BadManifest, BadRecipe, BadTensorFile, CorruptLearngene) as error:  # of what was sent, not of ours
            raise Refusal(ProblemResponse(422, error.code, str(error))) from None
        name = manifest.name
        self._check_name(name, asked)
        if body.alias is not None and self.catalog.versions(name):
            need(asked.caller, "admin", what=f"the alias {name}@{body.alias}, of a learngene that is there,")
        with self._hidden(name) if body.private else contextlib.nullcontext(), roomy():
            found, new = publish_as_next(manifest, file, catalog=self.catalog, replaces=_replacing(asked))
        if body.alias is not None:
            self.catalog.move_alias(name, body.alias, found.version)
        with contextlib.suppress(BlobExists):
            self.catalog.store.create(receipt, [found.reference.encode()])
        self.staging.done(_uploaded(body, manifest), asked.owner)
        return found, new

    def _check_name(self, name: str, asked: Asked) -> None:
        """That the caller may give it; who does not see what has it is told no more than that it is taken."""
        there = bool(self.catalog.versions(name))
        if not there:
            check_new_name(name)
        taken = (there or self.catalog.is_private(name)) and not asked.catalog.versions(name)
        if taken and not asked.caller.sees_private:
            need(asked.caller, "admin", what=f"the name {name!r}, which is taken,")

    def _made(self, body: ManifestBody | CheckpointBody, asked: Asked) -> tuple[Manifest, TensorFile]:
        match body:
            case CheckpointBody():
                check_name(body.name)
                taking(body.method)  # before gigabytes are opened
                facts = body.to_facts()
                self.scratch.mkdir(parents=True, exist_ok=True)
                made, file = learngene_of(self._file(body.sha256, asked), facts, scratch=self.scratch)
                check(made, file, asked.catalog)
                return made, file
            case ManifestBody():
                manifest = gene.from_json(json.dumps(body.manifest).encode())
                if manifest.parent is not None:
                    need(asked.caller, "admin", what="a learngene that answers for a size of another one")
                if "admin" not in asked.caller.scopes:
                    # By it a job knows what it published: nobody else may say so.
                    training = {name: value for name, value in manifest.training.items() if name != "job"}
                    manifest = replace(manifest, training=training)
                file = self._file(manifest.weights.sha256, asked)
                check(manifest, file, asked.catalog)
                return manifest, file

    def _file(self, sha256: str, asked: Asked) -> TensorFile:
        """What this owner uploaded, for admin anybody; what is published already only for who may see all of it."""
        staged = self.staging.find(sha256, None if "admin" in asked.caller.scopes else asked.owner)
        file = None if staged is None else self.staging.open(staged)
        if file is None and asked.caller.sees_private:
            with contextlib.suppress(BlobNotFound):
                file = TensorFile(self.catalog.store.open(f"blobs/sha256/{sha256}"))
        if file is None:
            raise InvalidValue(
                f"no file of sha256 {sha256} that you uploaded waits here: PUT it to /v1/blobs/{sha256} first; what is "
                f"not published within a day is forgotten"
            )
        return file

    @contextlib.contextmanager
    def _hidden(self, name: str) -> Iterator[None]:
        """The name is marked before anything of it can be seen, and shown again if nothing comes of it."""
        catalog = self.catalog
        if catalog.is_private(name):
            yield
            return
        if catalog.versions(name):
            raise InvalidValue(
                f"private = true would hide learngene {name!r}, which is public; choose another name, or leave it out"
            )
        catalog.set_private(name, True)
        try:
            yield
        except BaseException:
            if not catalog.versions(name):
                catalog.set_private(name, False)
            raise


def _uploaded(body: ManifestBody | CheckpointBody, manifest: Manifest) -> str:
    return body.sha256 if isinstance(body, CheckpointBody) else manifest.weights.sha256


def _replacing(asked: Asked) -> Callable[[str], None]:
    return lambda reference: need(asked.caller, "admin", what=f"a version that replaces {reference}")

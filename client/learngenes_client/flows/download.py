"""Brings one file to this disk, whole and checked, whatever happens on the way.

The bytes go to `<file>.part`. A download that was cut goes on where it stopped: at once after a dropped
connection, in the next process after `kill -9`. Two processes that want the same file take turns, and the
second finds it done.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from learngenes_client import calls
from learngenes_client.cache.files import forget_unsettled, give_name, holds, jot, part_of, write_whole
from learngenes_client.calls import Answer
from learngenes_client.effects import Flow, Sleep, ask, chunk, opened, short, work
from learngenes_client.errors import BadAnswer, ClientError, IntegrityError, NetworkError, ServiceUnavailable
from learngenes_client.flows.turns import empty, etag_of, our_turn
from learngenes_client.models import RemoteFile
from learngenes_client.progress import Progress, ignore
from learngenes_client.retries import LONGEST_ASKED_SECONDS

TRIES = 6
"""So many requests in a row may bring nothing new."""

FIRST_WAIT_SECONDS = 0.5
"""Before the second try; doubled before each further one, so 15.5 seconds in all."""

READ_BYTES = 2**20
REFUSAL_BYTES = 2**20


def fetch_file(
    file: RemoteFile, target: Path, *, progress: Progress | None = None, allow_yanked: bool = False
) -> Flow[None]:
    """target is that file when this returns. Nothing is asked for if it already was.

    As fill_turn. FileNotFoundError if the file's folder is not there.
    """
    if holds(target, file):
        return
    with (yield from our_turn(target)) as held:
        yield from fill_turn(held, file, target, progress=progress, allow_yanked=allow_yanked)


def fill_turn(
    held: BinaryIO, file: RemoteFile, target: Path, *, progress: Progress | None = None, allow_yanked: bool = False
) -> Flow[None]:
    """As fetch_file, for whose turn it is already.

    A length or sha256 other than promised deletes what came: IntegrityError. BadAnswer if no sha256 is promised.
    NetworkError or ServiceUnavailable after TRIES requests in a row without a new byte; what came before is kept.
    """
    if holds(target, file):  # another process brought it while we waited
        yield from work(lambda: empty(held, target))
        return
    digest = _digest(file)
    part = yield from work(lambda: Part(held, target, file, digest))
    try:
        yield from _fill(part, progress or ignore, allow_yanked)
        part.check()
    except IntegrityError:
        empty(held, target)
        raise
    yield from work(part.become_whole)


def fetch_small(file: RemoteFile, target: Path, *, allow_yanked: bool = False) -> Flow[None]:
    """As fetch_file, for a file of a few kB: in one piece, asked again as every call is."""
    if holds(target, file):
        return
    digest = _digest(file)
    answer = yield from ask(calls.small(file.url, allow_yanked=allow_yanked))
    if answer.status != 200:
        raise calls.refusal(answer)
    if len(answer.body) != file.bytes:
        raise IntegrityError(file.name, "bytes", expected=file.bytes, actual=len(answer.body))
    actual = hashlib.sha256(answer.body).hexdigest()
    if actual != digest:
        raise IntegrityError(file.name, "sha256", expected=digest, actual=actual)
    yield from work(lambda: jot(target, answer.body))


class Part:
    """The first `have` bytes of a file, in an open and locked `.part`.

    The version they are of, an ETag, lies in `.part.etag`: written before the first byte of that version.
    """

    def __init__(self, held: BinaryIO, target: Path, file: RemoteFile, digest: str) -> None:
        self._held, self._target, self.file, self._digest = held, target, file, digest
        self.etag: str | None = None
        with suppress(FileNotFoundError, UnicodeDecodeError):
            self.etag = etag_of(target).read_text("ascii")
        self.have = os.fstat(held.fileno()).st_size
        self._sha256 = hashlib.sha256()
        if self.etag is None or self.have > file.bytes:
            self.restart(None)
        else:
            held.seek(0)
            while piece := held.read(READ_BYTES):
                self._sha256.update(piece)

    def restart(self, etag: str | None) -> None:
        """Throw the bytes away; what is appended next is of version etag."""
        empty(self._held, self._target)
        self.have, self.etag, self._sha256 = 0, etag, hashlib.sha256()
        if etag is not None:
            write_whole(etag_of(self._target), etag.encode("ascii"))

    def append(self, piece: bytes) -> None:
        """Add the next bytes; IntegrityError if they reach past the file's end."""
        if self.have + len(piece) > self.file.bytes:
            more = f"at least {self.have + len(piece)}"
            raise IntegrityError(self.file.name, "bytes", expected=self.file.bytes, actual=more)
        self._held.write(piece)
        self.have += len(piece)
        self._sha256.update(piece)

    def check(self) -> None:
        """IntegrityError unless length and sha256 are as promised."""
        if self.have != self.file.bytes:
            raise IntegrityError(self.file.name, "bytes", expected=self.file.bytes, actual=self.have)
        actual = self._sha256.hexdigest()
        if actual != self._digest:
            raise IntegrityError(self.file.name, "sha256", expected=self._digest, actual=actual)

    def become_whole(self) -> None:
        """Give the file its name."""
        give_name(self._held, part_of(self._target), self._target)
        forget_unsettled(self._target)
        etag_of(self._target).unlink(missing_ok=True)


def _fill(part: Part, progress: Progress, allow_yanked: bool) -> Flow[None]:
    most, failures = part.have, 0
    while part.have < part.file.bytes:
        trouble: ClientError | None = None
        try:
            yield from _request(part, progress, allow_yanked)
        except (NetworkError, ServiceUnavailable) as error:
            trouble = error
        if part.have == part.file.bytes:
            return
        if part.have > most:  # new bytes, not the same ones again: this ends even if each answer is short
            most, failures = part.have, 0
        failures += 1
        if failures == TRIES:
            if trouble is None:
                return  # the server says that this is all; check() tells
            raise trouble
        asked_to_wait = trouble.retry_after if isinstance(trouble, ServiceUnavailable) else 0
        yield Sleep(max(FIRST_WAIT_SECONDS * 2 ** (failures - 1), min(asked_to_wait, LONGEST_ASKED_SECONDS)))


def _request(part: Part, progress: Progress, allow_yanked: bool) -> Flow[None]:
    """One request for what is missing; as many bytes as come are appended."""
    file = part.file
    call = calls.download(file.url, have=part.have, etag=part.etag, allow_yanked=allow_yanked)
    answer = yield from opened(call)
    match calls.read_download(call, answer.status, answer.headers):
        case calls.Whole(total, etag):
            yield from work(_restarting(part, etag))
        case calls.Rest(total):
            pass
        case calls.NotTheRest():
            yield from work(_restarting(part, None))
            return
        case None:
            body = yield from short(REFUSAL_BYTES)
            raise calls.refusal(Answer(answer.status, answer.headers, body))
    if total not in (None, file.bytes):
        raise IntegrityError(file.name, "bytes", expected=file.bytes, actual=total)
    progress(part.have, file.bytes)
    while piece := (yield from chunk()):
        yield from work(_appending(part, piece))
        progress(part.have, file.bytes)


def _restarting(part: Part, etag: str | None) -> Callable[[], None]:
    return lambda: part.restart(etag)


def _appending(part: Part, piece: bytes) -> Callable[[], None]:
    return lambda: part.append(piece)


def _digest(file: RemoteFile) -> str:
    if file.sha256 is None:
        raise BadAnswer(f"the service does not say which sha256 {file.name} has, so what comes can't be checked")
    return file.sha256

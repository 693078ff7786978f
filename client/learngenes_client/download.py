"""Brings one file of a descendant to this disk, whole and checked, whatever happens on the way.

The bytes go to `<file>.part`. A download that was cut goes on where it stopped: at once after a dropped
connection, in the next process after `kill -9`. Two processes that want the same file take turns, and the
second finds it done. This needs flock, so POSIX systems.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from learngenes_client import calls
from learngenes_client.cache import holds, write_whole
from learngenes_client.errors import ClientError, IntegrityError, NetworkError, ServiceUnavailable, TooManyRequests
from learngenes_client.models import RemoteFile

if TYPE_CHECKING:
    from learngenes_client.transport import Transport

Progress = Callable[[int, int], None]
"""Called with (done_bytes, total_bytes); done falls back to 0 if the server makes us start anew."""

TRIES = 6
"""So many requests in a row may bring nothing new."""

FIRST_WAIT_SECONDS = 0.5
"""Before the second try; doubled before each further one, so 15.5 seconds in all."""

LONGEST_WAIT_SECONDS = 120
"""For a service that says how long it wants to be left alone."""

READ_BYTES = 2**20


def fetch_file(
    transport: Transport,
    file: RemoteFile,
    target: Path,
    *,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """target is that file when this returns. Nothing is asked for if it already was.

    A length or sha256 other than promised deletes what came: IntegrityError. NetworkError or
    ServiceUnavailable after TRIES requests in a row without a new byte; what came before is kept.
    """
    if holds(target, file):
        return
    with _locked(target.with_name(target.name + ".part")) as held:
        part = Part(held, target.with_name(target.name + ".part"), file)
        if holds(target, file):  # another process brought it while we waited
            part.discard()
            return
        try:
            _fill(transport, part, progress or _ignore, sleep)
            part.check()
        except IntegrityError:
            part.discard()
            raise
        part.become(target)


class Part:
    """The first `have` bytes of a file, in an open and locked `.part`.

    The version they are of, an ETag, lies in `.part.etag`: written before the first byte of that version.
    """

    def __init__(self, held: BinaryIO, path: Path, file: RemoteFile) -> None:
        self._held, self._path, self.file = held, path, file
        self._etag_path = path.with_name(path.name + ".etag")
        self.etag: str | None = None
        with suppress(FileNotFoundError, UnicodeDecodeError):
            self.etag = self._etag_path.read_text("ascii")
        self.have = os.fstat(held.fileno()).st_size
        self._sha256 = hashlib.sha256()
        if self.etag is None or self.have > file.bytes:
            self.restart(None)
        elif file.sha256 is not None:
            held.seek(0)
            while chunk := held.read(READ_BYTES):
                self._sha256.update(chunk)

    def restart(self, etag: str | None) -> None:
        """Throw the bytes away; what is appended next is of version etag."""
        self._held.truncate(0)
        self.have, self.etag, self._sha256 = 0, etag, hashlib.sha256()
        if etag is None:
            self._etag_path.unlink(missing_ok=True)
        else:
            write_whole(self._etag_path, etag.encode("ascii"))

    def append(self, chunk: bytes) -> None:
        """Add the next bytes; IntegrityError if they reach past the file's end."""
        if self.have + len(chunk) > self.file.bytes:
            more = f"at least {self.have + len(chunk)}"
            raise IntegrityError(self.file.name, "bytes", expected=self.file.bytes, actual=more)
        self._held.write(chunk)
        self.have += len(chunk)
        if self.file.sha256 is not None:
            self._sha256.update(chunk)

    def check(self) -> None:
        """IntegrityError unless length and, if the service knows it, sha256 are as promised."""
        if self.have != self.file.bytes:
            raise IntegrityError(self.file.name, "bytes", expected=self.file.bytes, actual=self.have)
        actual = self._sha256.hexdigest()
        if self.file.sha256 not in (None, actual):
            raise IntegrityError(self.file.name, "sha256", expected=self.file.sha256, actual=actual)

    def become(self, target: Path) -> None:
        """Give the file its name, bytes first: a loss of power leaves the whole file or a part."""
        self._held.flush()
        os.fsync(self._held.fileno())
        self._path.replace(target)
        self._etag_path.unlink(missing_ok=True)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Delete the part."""
        self._path.unlink(missing_ok=True)
        self._etag_path.unlink(missing_ok=True)


def _fill(transport: Transport, part: Part, progress: Progress, sleep: Callable[[float], None]) -> None:
    most, failures = part.have, 0
    while part.have < part.file.bytes:
        trouble: ClientError | None = None
        try:
            _request(transport, part, progress)
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
        asked_to_wait = trouble.retry_after if isinstance(trouble, TooManyRequests) else 0
        sleep(max(FIRST_WAIT_SECONDS * 2 ** (failures - 1), min(asked_to_wait, LONGEST_WAIT_SECONDS)))


def _request(transport: Transport, part: Part, progress: Progress) -> None:
    """One request for what is missing; as many bytes as come are appended."""
    file = part.file
    call = calls.download(file.url, have=part.have, etag=part.etag)
    with transport.stream(call) as incoming:
        match calls.read_download(call, incoming.status, incoming.headers):
            case calls.Whole(total, etag):
                part.restart(etag)
            case calls.Rest(total):
                pass
            case calls.NotTheRest():
                part.restart(None)
                return
            case None:
                raise calls.refusal(incoming.whole())
        if total not in (None, file.bytes):
            raise IntegrityError(file.name, "bytes", expected=file.bytes, actual=total)
        progress(part.have, file.bytes)
        for chunk in incoming.chunks:
            part.append(chunk)
            progress(part.have, file.bytes)


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """The file, open to append and locked; waits for whoever holds it.

    It may have been renamed or deleted while we waited: then what we hold is no longer the
    file of that name, and we begin again.
    """
    while True:
        with path.open("a+b") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            try:
                ours = os.path.samestat(os.fstat(held.fileno()), path.stat())
            except FileNotFoundError:
                ours = False
            if ours:
                yield held
                return


@contextmanager
def bar(name: str) -> Iterator[Progress | None]:
    """A tqdm bar on stderr, or None if stderr is no terminal or tqdm is not installed."""
    if not sys.stderr.isatty():
        yield None
        return
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        yield None
        return
    with tqdm(desc=name, unit="B", unit_scale=True, unit_divisor=1024) as shown:

        def show(done_bytes: int, total_bytes: int) -> None:
            shown.total = total_bytes
            shown.update(done_bytes - shown.n)

        yield show


def _ignore(done_bytes: int, total_bytes: int) -> None:
    pass

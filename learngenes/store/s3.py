"""A store in a bucket of S3, Google Cloud Storage or Azure. Nothing else knows obstore; none of its errors leave."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain
from pathlib import Path
from queue import Full, Queue
from typing import TYPE_CHECKING, ClassVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

from learngenes.errors import BlobExists, BlobNotFound, InvalidValue, StoreUnavailable
from learngenes.store import check_key, is_key, scheme
from learngenes.tensorfile import FileMap

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import ObjectStore as Bucket
    from obstore.store import RetryConfig

PART_BYTES = 8 << 20
"""What is not larger goes up in one request; what is, in parts of this size. Everything comes down in such parts."""
PARTS_AT_ONCE = 2
BY_DIGEST = re.compile(r"(?:blobs/sha256/|staged/[0-9]+-[0-9]+-|jobs/state/[0-9a-f]{32}/parts/)[0-9a-f]{64}", re.ASCII)
"""Keys of blobs, staged or not, and of files of running jobs: by their digest, so all who write one write the same."""

_PIECE_BYTES = 1 << 20
_URL = re.compile(r"(s3|gs|az)://([A-Za-z0-9][A-Za-z0-9._-]*)((?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*)/?")
_VARIABLES = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL",
    "gs": "GOOGLE_SERVICE_ACCOUNT",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}


class ObjectStore:
    """One object a key, below a prefix of a bucket, which has to be there. Credentials come from the environment.

    A create that ends with StoreUnavailable may have been done all the same, if only its answer was lost.
    scratch: a directory for what is opened, which takes its size on disk while it is; that of the system unless given.
    """

    _process: ClassVar[int | None] = None

    def __init__(self, url: str, *, scratch: Path | None = None) -> None:
        self.url = url
        self._bucket = _bucket(url)
        self._scratch = scratch

    def create(self, key: str, pieces: Iterable[bytes | memoryview]) -> None:
        """See Store.

        The bucket itself lets one of several writers win, in one request. Only large files named by their digest go
        up in parts, of which a few are in memory: there two may win, with the same bytes.
        """
        check_key(key)
        slices, kept, size = _slices(pieces), list[bytes](), 0
        for piece in slices:
            kept.append(bytes(piece))
            size += len(piece)
            if size > PART_BYTES and BY_DIGEST.fullmatch(key):
                self._create_in_parts(key, chain(kept, slices))
                return
        with self._asking("create", key):
            obstore.put(self._bucket, key, b"".join(kept), mode="create", use_multipart=False)

    def read(self, key: str) -> bytes:
        """See Store."""
        with self._asking("read", check_key(key)):
            return bytes(obstore.get(self._bucket, key).bytes())

    def open(self, key: str) -> FileMap | bytes:
        """See Store: a read-only map of a file that nobody else sees."""
        with tempfile.TemporaryFile(dir=self._scratch) as file:
            file.writelines(self.fetch(key))
            file.flush()
            return FileMap(file.fileno()) if file.tell() else b""

    def fetch(self, key: str) -> Iterator[memoryview]:
        """The bytes under key in pieces, each asked for when it is wanted; BlobNotFound if there are none."""
        with self._asking("read", check_key(key)):
            about = obstore.head(self._bucket, key)
        for start in range(0, about["size"], PART_BYTES):
            stop = min(start + PART_BYTES, about["size"])
            with self._asking("read", key):
                # if_match: of a key that is deleted and made anew meanwhile, no half is joined to another.
                options: GetOptions = {"range": (start, stop), "if_match": about["e_tag"]}
                piece = obstore.get(self._bucket, key, options=options).bytes()
            yield memoryview(piece)

    def keys(self, prefix: str) -> Iterator[str]:
        """See Store: objects that can't be a key are passed over."""
        check_key(prefix)
        with self._asking("list", prefix):
            found = [entry["path"] for page in obstore.list(self._bucket, prefix, chunk_size=1000) for entry in page]
        yield from sorted(key for key in found if is_key(key))

    def delete(self, key: str) -> None:
        """See Store."""
        with self._asking("delete", check_key(key)):
            obstore.head(self._bucket, key)  # deleting what is not there is no error to a bucket
            obstore.delete(self._bucket, key)

    def _create_in_parts(self, key: str, pieces: Iterable[bytes | memoryview]) -> None:
        try:
            with self._asking("read", key):
                obstore.head(self._bucket, key)
        except BlobNotFound:
            pass
        else:
            raise BlobExists(key)
        # obstore takes pieces inside of its own event loop, where a sender that itself reads a bucket would break it.
        belt = _Belt()
        with ThreadPoolExecutor(1) as thread:
            upload = thread.submit(self._upload, key, belt)
            try:
                for piece in pieces:
                    belt.hand_over(piece, until=upload.done)
            except BaseException:
                belt.cut.set()  # which ends the upload: its parts are deleted
                raise
            finally:
                belt.hand_over(None, until=upload.done)
            upload.result()

    def _upload(self, key: str, belt: _Belt) -> None:
        with self._asking("create", key), contextlib.suppress(_Cut):
            obstore.put(
                self._bucket,
                key,
                belt.pieces(),
                use_multipart=True,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )

    @contextmanager
    def _asking(self, verb: str, key: str) -> Iterator[None]:
        """Errors of obstore become ours."""
        self._check_process()
        try:
            yield
        except (BaseError, FileNotFoundError, ValueError) as error:
            if isinstance(error, AlreadyExistsError):
                raise BlobExists(key) from None
            text = str(error)
            # A bucket that is not there is no key that is not there.
            if isinstance(error, FileNotFoundError) and verb in ("read", "delete") and not re.search(_NO_BUCKET, text):
                raise BlobNotFound(key) from None
            raise StoreUnavailable(f"can't {verb} {key!r} in the store {self.url}: {_cause(error, text)}") from None

    def _check_process(self) -> None:
        """After a fork obstore would wait for ever for threads that are not there."""
        if ObjectStore._process is None:
            ObjectStore._process = os.getpid()
        if ObjectStore._process != os.getpid():
            raise RuntimeError(
                f"process {ObjectStore._process} used an object store and then forked {os.getpid()}, "
                f"which can't: start a new process (spawn) instead"
            )


class _Cut(Exception):
    """The sender failed."""


class _Belt:
    """Pieces on their way from the thread of the sender to that of the upload; a few wait."""

    def __init__(self) -> None:
        self.cut = threading.Event()
        self._waiting: Queue[bytes | memoryview | None] = Queue(4)

    def hand_over(self, piece: bytes | memoryview | None, *, until: Callable[[], bool]) -> None:
        """Wait until there is room, or the upload has failed. None: that was the last."""
        while not until():
            try:
                return self._waiting.put(piece, timeout=0.1)
            except Full:
                continue

    def pieces(self) -> Iterator[bytes | memoryview]:
        """All that were handed over."""
        while (piece := self._waiting.get()) is not None and not self.cut.is_set():
            yield piece
        if self.cut.is_set():
            raise _Cut


_NO_BUCKET = r"<Code>(NoSuchBucket|ContainerNotFound)</Code>"


def _bucket(url: str) -> Bucket:
    """The client. InvalidValue if the URL names no bucket, or the environment is not enough for its provider."""
    found = _URL.fullmatch(url)
    if not found:
        # The URL is not repeated: who writes one like this may have put a password into it.
        raise InvalidValue(
            f"a store is a directory, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix, "
            f"with letters, digits, '.', '_' and '-' in each part; got another {scheme(url)[:20]!r} URL"
        )
    try:
        # No client_options: given any, obstore forgets those of the environment, such as AWS_ALLOW_HTTP. Its own limit
        # of 30 s a request is enough for a part.
        return from_url(url.rstrip("/"), retry_config=_retries())
    except (BaseError, ValueError):
        raise InvalidValue(
            f"the store {url} can't be opened as the environment describes it; see {_VARIABLES[found[1]]}"
        ) from None


def _retries() -> RetryConfig:
    """What the bucket answers with 5xx, or can't be asked for, is tried again for a few seconds."""
    return {
        "max_retries": 5,
        "retry_timeout": timedelta(seconds=60),
        "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=3), "base": 2},
    }


def _cause(error: Exception, text: str) -> str:
    """Why, in our words: the bucket's own may repeat the credentials."""
    status = re.search(r"status code: ([0-9]{3})", text)
    code = re.search(r"<Code>([A-Za-z]{1,60})</Code>", text)
    if status:
        return f"it answered {status[1]}" + (f" {code[1]}" if code else "")
    return "it did not answer in time" if "timed out" in text else f"it can't be reached ({type(error).__name__})"


def _slices(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """The same bytes in small pieces: obstore holds a whole one in memory."""
    for piece in pieces:
        if len(piece) <= _PIECE_BYTES:
            yield piece
        else:
            view = memoryview(piece)
            yield from (view[at : at + _PIECE_BYTES] for at in range(0, len(view), _PIECE_BYTES))

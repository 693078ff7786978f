"""Files that appear whole under their names, and locks that processes and tasks take turns by.

This needs flock, so POSIX systems.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from learngenes_client.models import RemoteFile

LOG = logging.getLogger(__name__)

BOOT = Path("/proc/sys/kernel/random/boot_id")

LOST = "lost"
"""No start of the machine is called that."""

PART = ".part"
"""How the name of a file ends that is still arriving."""


def holds(path: Path, file: RemoteFile) -> bool:
    """Whether path is that file, whole. What it is was checked before it got its name: the length tells.

    But for one that got its name before its bytes were on the disk, if the machine has been started anew since.
    """
    return path.is_file() and path.stat().st_size == file.bytes and _survived(path)


def write_whole(path: Path, content: bytes) -> None:
    """The file appears under its name with all of content, or not at all."""
    with _appearing(path, durably=True) as beside:
        beside.write_bytes(content)


def jot(path: Path, content: bytes) -> None:
    """As write_whole, but after a loss of power the file may hold nothing: for what whoever reads it can tell."""
    with _appearing(path, durably=False) as beside:
        beside.write_bytes(content)


def sha256_of(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_whole(source: Path, path: Path) -> None:
    """A copy appears under path whole, or not at all.

    A copy and not a hard link: editing the named file must not change the cache.
    """
    with _appearing(path, durably=True) as beside:
        shutil.copyfile(source, beside)


def give_name(held: BinaryIO, part: Path, target: Path) -> None:
    """The open file gets its name, bytes first: a loss of power leaves the whole file or a part."""
    held.flush()
    os.fsync(held.fileno())
    part.replace(target)
    _sync_folder(target.parent)


def will_settle(part: Path, target: Path) -> bool:
    """Note that part becomes target before its bytes are on the disk; False where that can't be noted.

    The note itself need not be on the disk either: a journal has it before the name that comes after it, and if it lost
    what it says it says that the machine was started anew.
    """
    boot = _boot()
    if boot is not None:
        jot(_unsettled(target), _mark(boot, part.stat()))
    return boot is not None


def settle_later(target: Path) -> None:
    """See to it in a thread that the bytes of target are on the disk; the process waits for that when it ends."""
    threading.Thread(target=settle, args=(target,), name="settle").start()


def settle(target: Path) -> None:
    """The bytes of target are on the disk, and this is no longer noted; or they can't be, and it is never whole."""
    with suppress(FileNotFoundError), target.open("rb") as file:  # it may have been pruned just now
        status = os.fstat(file.fileno())
        try:
            os.fsync(file.fileno())
            _sync_folder(target.parent)
        except FileNotFoundError:
            raise
        except OSError as error:
            _is_lost(target, status, error)
            return
        boot = _boot()
        if boot is not None and _unsettled(target).read_bytes() == _mark(boot, status):
            forget_unsettled(target)  # else it is noted of another file, which has this name by now


def _is_lost(target: Path, status: os.stat_result, error: OSError) -> None:
    """What the system could not write it may drop from memory: the file counts no longer, in this start or another."""
    LOG.warning("%s did not reach the disk and will be made again: %s", target, error)
    if os.path.samestat(target.stat(), status):
        try:
            jot(_unsettled(target), _mark(LOST, status))
        except OSError:  # not even that can be written
            target.unlink()


def forget_unsettled(target: Path) -> None:
    """Target, or what takes its place, is on the disk."""
    _unsettled(target).unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """Where a file is while it is still arriving."""
    return path.with_name(path.name + PART)


def try_lock(path: Path, *, create: bool = True) -> BinaryIO | None:
    """The file, open at its beginning and locked until it is closed; None if another has it locked.

    It may have been renamed or deleted since it was opened: then it is no longer the file of that name.
    FileNotFoundError if its folder is not there, or it is not and is not to be created.
    """
    held = os.fdopen(os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o666), "r+b")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(held.fileno()), path.stat()):
            return held
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        held.close()
        raise
    held.close()
    return None


def hold(path: Path) -> BinaryIO:
    """The file, open and shared with others who hold it; nobody locks it until all have closed it.

    FileNotFoundError if it is no longer there.
    """
    held = path.open("rb")
    try:
        fcntl.flock(held, fcntl.LOCK_SH)
        if not os.path.samestat(os.fstat(held.fileno()), path.stat()):
            raise FileNotFoundError(f"{path} was replaced just now")
    except BaseException:
        held.close()
        raise
    return held


def _survived(path: Path) -> bool:
    try:
        return _unsettled(path).read_text("ascii").partition(" ")[0] == _boot()
    except FileNotFoundError:
        return True


def _mark(boot: str, status: os.stat_result) -> bytes:
    """Which file is unsettled, and since which start of the machine."""
    return f"{boot} {status.st_ino} {status.st_mtime_ns}".encode()


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unsettled(path: Path) -> Path:
    return path.with_name(f"{path.name}.unsettled")


def _boot() -> str | None:
    """This start of the machine; None where the system does not tell."""
    try:
        return BOOT.read_text("ascii").strip()
    except OSError:
        return None


@contextmanager
def _appearing(path: Path, *, durably: bool) -> Iterator[Path]:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
    try:
        yield beside
        if durably:
            with beside.open("rb") as file:
                os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)

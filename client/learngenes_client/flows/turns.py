"""Whose turn it is to bring a file: tasks, threads and processes wait for each other."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from learngenes_client.cache.files import part_of, try_lock
from learngenes_client.effects import Flow, Sleep, work

TURN_SECONDS = 0.02, 0.2
"""How often is looked whether it is our turn: at first, and later."""


class Turn:
    """What has come of a file so far, open and locked until the block ends; then it is gone if that is nothing."""

    def __init__(self, held: BinaryIO, target: Path) -> None:
        self._held, self._target = held, target

    def __enter__(self) -> BinaryIO:
        return self._held

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        part = part_of(self._target)
        with self._held as held, suppress(FileNotFoundError):  # it got its name
            held.flush()
            status = os.fstat(held.fileno())
            if not status.st_size and os.path.samestat(status, part.stat()):
                etag_of(self._target).unlink(missing_ok=True)
                part.unlink()


def our_turn(target: Path) -> Flow[Turn]:
    """The turn, once whoever has it lets go. FileNotFoundError if the file's folder is not there."""
    taken: list[BinaryIO] = []
    pause, longest = TURN_SECONDS
    try:
        while not (yield from work(lambda: _take(part_of(target), taken))):
            yield Sleep(pause)
            pause = min(pause * 1.5, longest)
    except BaseException:  # cancelled while a thread took it
        for held in taken:
            held.close()
        raise
    return Turn(taken[0], target)


def _take(path: Path, taken: list[BinaryIO]) -> bool:
    held = try_lock(path)
    if held is not None:
        taken.append(held)
    return held is not None


def empty(held: BinaryIO, target: Path) -> None:
    """Forget what has come of a file so far: its first bytes, and which version they are of."""
    held.seek(0)
    held.truncate()
    etag_of(target).unlink(missing_ok=True)


def etag_of(target: Path) -> Path:
    """Where is said which version the bytes are of that have come."""
    return target.with_name(f"{part_of(target).name}.etag")

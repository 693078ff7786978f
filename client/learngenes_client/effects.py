"""What a flow asks of whoever drives it.

A flow is a generator that holds all the logic of one call and does nothing slow itself: it yields one of these, and is
sent what came of it or thrown what went wrong. The two drivers, one waiting and one awaiting, are in `driving.py`; they
close what a flow has opened when it opens the next or ends.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from learngenes_client.calls import Answer, Call, Opened

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """The whole Answer to a call, asked again where that is safe; see retries."""

    call: Call


@dataclass(frozen=True, slots=True)
class Open:
    """The Opened answer to a call, its body yet to be read. Asked once."""

    call: Call


@dataclass(frozen=True, slots=True)
class Read:
    """The next bytes of what was opened last; None at its end."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Nothing, so many seconds later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """What `run` returns: disk or processor, too slow for an event loop."""

    run: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Emit:
    """Nothing; `value` goes to whoever iterates over the flow."""

    value: object


Effect: TypeAlias = Ask | Open | Read | Sleep | Work | Emit
Flow: TypeAlias = Generator[Effect, Any, T]


def ask(call: Call) -> Flow[Answer]:
    """The whole answer to a call."""
    answer: Answer = yield Ask(call)
    return answer


def opened(call: Call) -> Flow[Opened]:
    """The answer to a call; its body comes by `chunk`."""
    found: Opened = yield Open(call)
    return found


def chunk() -> Flow[bytes | None]:
    """The next bytes of what was opened last; None at its end."""
    found: bytes | None = yield Read()
    return found


def short(most_bytes: int) -> Flow[bytes]:
    """The rest of what was opened last, or the beginning of it if that is not short."""
    body = b""
    while len(body) < most_bytes and (piece := (yield from chunk())):
        body += piece
    return body[:most_bytes]


def work(run: Callable[[], T]) -> Flow[T]:
    """What `run` returns."""
    done: T = yield Work(run)
    return done

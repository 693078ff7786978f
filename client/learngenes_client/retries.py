"""Which calls are asked again, and after how long; by stamina. A download's own way to go on is in flows/download.py.

Asked again: a call that was refused a connection; one that is idempotent and was cut off; one that was answered 429,
502, 503 or 504. All calls are idempotent but cancelling. Silence is not waited for twice, nor is a connection.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Protocol

from learngenes_client.calls import Answer, Call, refusal
from learngenes_client.errors import Dropped, ServiceUnavailable, Unanswered, Unreachable

if TYPE_CHECKING:
    from stamina import Attempt

TRIES = 4
"""Of one call, the first included: 1.4 to 2 seconds in all for a service that is not there."""

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, JITTER_SECONDS = 0.2, 5.0, 0.2
LONGEST_ASKED_SECONDS = 120
"""For a service that says with Retry-After how long it wants to be left alone."""

PASSING = (429, 502, 503, 504)
"""Statuses that mean: not now."""


UNSAID = logging.NullHandler()
"""Of stamina's logger: who sets up logging sees what it says, nobody else."""


class Tries(Protocol):
    """Contexts, each of them one try."""

    def __iter__(self) -> Iterator[Attempt]: ...

    def __aiter__(self) -> AsyncIterator[Attempt]: ...


def retrying(call: Call, *, tries: int) -> Tries:
    """Contexts, each of them one try; an error that leaves the last one is raised."""
    import stamina  # here, so that importing us does not import it

    logging.getLogger("stamina").addHandler(UNSAID)  # the same once more is nothing
    return stamina.retry_context(
        on=lambda error: _wait(error, call),
        attempts=tries,
        timeout=None,
        wait_initial=FIRST_WAIT_SECONDS,
        wait_max=LONGEST_WAIT_SECONDS,
        wait_jitter=JITTER_SECONDS,
    )


def judged(answer: Answer) -> Answer:
    """The answer, unless it means: not now."""
    if answer.status in PASSING:
        raise refusal(answer)
    return answer


def _wait(error: Exception, call: Call) -> bool | float:
    """Whether to ask again, or after how many seconds if the service says that."""
    match error:
        case Unanswered():
            return False
        case Unreachable():
            return True
        case Dropped():
            return call.idempotent
        case ServiceUnavailable() if error.status == 429 or call.idempotent:
            return float(min(error.retry_after, LONGEST_ASKED_SECONDS)) if error.retry_after else True
    return False

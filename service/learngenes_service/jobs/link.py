"""The way to the queue's Redis, taken when it is first needed.

redis and rq take a tenth of a second and 8 MB to import. A service without a queue does without them; one with a
private queue answers before it has them. So of the service only this module leads to those that import them: `queue`,
`streams` and `clients`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from learngenes_service.jobs.clients import Pulse
    from learngenes_service.jobs.queue import Queue
    from learngenes_service.jobs.streams import Streams


class Link:
    """One Redis, by its URL. What is made of it connects when it is first used.

    A URL that says more than the path of a socket may be wrong in ways that redis-py alone knows: that is found out
    here, for the price of the import. The private queue of `learngenes serve` is such a path.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        if not url.startswith("unix://") or "?" in url:
            _ = self.queue

    @cached_property
    def queue(self) -> Queue:
        """The jobs that wait and run."""
        from learngenes_service.jobs.queue import Queue

        return Queue(self._url)

    @cached_property
    def streams(self) -> Streams:
        """What running jobs say."""
        from learngenes_service.jobs.streams import Streams

        return Streams(self._url)

    @cached_property
    def pulse(self) -> Pulse:
        """Whether it is there."""
        from learngenes_service.jobs.clients import Pulse

        return Pulse(self._url)

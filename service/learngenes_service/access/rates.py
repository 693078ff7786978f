"""How often somebody may ask: counted in Redis where there is one, so that all replicas count together."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass

import limits
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.exceptions import RedisError

SILENCE_SECONDS = 0.5
"""Redis gets so long to answer; a request does not wait longer to be counted."""

PAUSE_SECONDS = 5.0
"""After a failure requests go uncounted for so long, before Redis is asked again."""

log = logging.getLogger("learngenes.service")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody stands after a request: what the answer says of it."""

    allowed: bool
    amount: int
    window_seconds: int
    remaining: int
    reset_seconds: int

    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers has it."""
        return {
            "ratelimit-policy": f'"default";q={self.amount};w={self.window_seconds}',
            "ratelimit": f'"default";r={self.remaining};t={self.reset_seconds}',
        }


class Rate:
    """So many requests in a window of time, such as 600/minute, of each who asks; windows do not slide."""

    def __init__(self, rate: str, *, redis_url: str = "") -> None:
        self._item = limits.parse(rate)
        storage = _redis(redis_url) if redis_url else MemoryStorage()
        self._limiter = FixedWindowRateLimiter(storage)
        self._resting_until = 0.0

    async def count(self, who: str) -> Standing | None:
        """One more request of `who`; None where nobody can count: then it is let through."""
        if time.monotonic() < self._resting_until:
            return None
        try:
            allowed = await self._limiter.hit(self._item, who)
            reset, remaining = await self._limiter.get_window_stats(self._item, who)
        except (RedisError, OSError) as error:
            if not self._resting_until:
                log.warning("requests are not counted while Redis can't be reached: %s", error)
            self._resting_until = time.monotonic() + PAUSE_SECONDS
            return None
        if self._resting_until:
            log.info("requests are counted again")
            self._resting_until = 0.0
        seconds = max(1, math.ceil(reset - time.time()))
        return Standing(allowed, self._item.amount, self._item.get_expiry(), remaining, seconds)


def _redis(url: str) -> RedisStorage:
    url = url.replace("unix://", "redis+unix://", 1) if url.startswith("unix://") else url
    return RedisStorage(
        f"async+{url}",
        implementation="redispy",
        socket_timeout=SILENCE_SECONDS,
        socket_connect_timeout=SILENCE_SECONDS,
    )

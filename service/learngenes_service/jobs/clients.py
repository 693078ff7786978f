"""Connections to Redis, each with its own patience."""

from __future__ import annotations

from redis import Redis, RedisError, asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

WORKER_RETRIES = 12
"""Some 48 seconds, less than the lease of a job: a worker cut off gives up before its job is given away."""

SILENCE_SECONDS = 0.5
"""Redis gets so long to say whether it is there."""


class Pulse:
    """Tells whether a Redis is there, over a connection of its own."""

    def __init__(self, url: str) -> None:
        silence = SILENCE_SECONDS
        self._redis = Redis.from_url(
            url, retry=Retry(NoBackoff(), 0), socket_timeout=silence, socket_connect_timeout=silence
        )

    def beats(self) -> bool:
        """Whether it answers at once."""
        try:
            return bool(self._redis.ping())
        except (RedisError, OSError):
            return False


def brief(url: str) -> Redis:
    """For a request that somebody waits for: an answer or an error within seconds."""
    return Redis.from_url(
        url, retry=Retry(NoBackoff(), 1), socket_connect_timeout=2, socket_timeout=5, health_check_interval=30
    )


def once(url: str) -> Redis:
    """For what a running job says: no retries, so that training never waits for Redis."""
    return Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=1, socket_timeout=2)


def patient(url: str) -> Redis:
    """For a worker's own dealings with the queue: it outlives a restart of Redis."""
    return Redis.from_url(
        url,
        retry=Retry(ExponentialBackoff(cap=5, base=0.5), WORKER_RETRIES),
        health_check_interval=30,
        # A unix socket knows no such option, and redis-py no such argument for it.
        **({} if url.startswith("unix:") else {"socket_keepalive": True}),
    )


def shared(url: str) -> asyncio.Redis:
    """For all streams of events of one service: few connections, each held for a command alone."""
    pool = asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=8,
        timeout=5,
        retry=AsyncRetry(NoBackoff(), 1),
        socket_connect_timeout=2,
        socket_timeout=5,
    )
    return asyncio.Redis.from_pool(pool)

"""A worker by hand: on the queue of the settings, or on the private one of a service over the same data directory."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from typing import cast

from learngenes.errors import InvalidValue
from learngenes_service.embedded import locks, server
from learngenes_service.embedded.supervisor import WORKER
from learngenes_service.settings import PREFIX, Settings

_MOST_WORKERS = 64
_WORKERS = "rq:workers"


def become_worker(settings: Settings, environment: Mapping[str, str]) -> None:
    """Turn this process into a worker. InvalidValue if no queue is given and no private one answers."""
    if settings.redis_url:
        _become(environment)
    if not server.answers(server.socket_of(settings.data)):
        raise InvalidValue(
            f"no service with a queue runs over {settings.data}: start one first (make serve, or learngenes serve), "
            f"or name a queue in {PREFIX}REDIS_URL"
        )
    for slot in range(_MOST_WORKERS):
        # The first free place, so that a service sees that there is a worker already, and ends it with the queue.
        with locks.holding(settings.data / locks.worker(slot)) as held:
            if held is not None:
                locks.sign(held, os.getpid())
                os.set_inheritable(held, True)
                _become({**environment, f"{PREFIX}REDIS_URL": server.url_of(settings.data)})
    raise InvalidValue(f"{_MOST_WORKERS} workers run over {settings.data} already")


def check(settings: Settings) -> None:
    """InvalidValue unless a worker of this machine, or container, has been heard of by the queue of late."""
    from redis import RedisError

    from learngenes_service.jobs.clients import brief

    here = socket.gethostname()
    try:
        with brief(settings.redis_url or server.url_of(settings.data)) as redis:
            # What a worker says of itself expires when it falls silent.
            keys = cast("set[bytes]", redis.smembers(_WORKERS))
            found = any(redis.hget(key.decode(), "hostname") == here.encode() for key in keys)
    except RedisError as error:
        raise InvalidValue(f"the queue does not answer: {error}") from error
    if not found:
        raise InvalidValue(f"the queue has not heard of a worker on {here} of late")


def _become(environment: Mapping[str, str]) -> None:
    os.execve(sys.executable, [sys.executable, "-m", WORKER], dict(environment))  # noqa: S606

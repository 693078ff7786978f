from __future__ import annotations

import asyncio
import socket
import time

import pytest
from learngenes_service.access.addresses import network
from learngenes_service.access.rates import Rate, Standing


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_an_address_is_counted_as_whoever_has_it(address: str, counted: str) -> None:
    assert network(address) == counted


def test_the_answer_says_where_the_caller_stands() -> None:
    standing = Standing(allowed=True, amount=600, window_seconds=60, remaining=599, reset_seconds=58)
    assert standing.headers() == {"ratelimit-policy": '"default";q=600;w=60', "ratelimit": '"default";r=599;t=58'}


def test_each_caller_has_so_many_requests_and_no_more() -> None:
    async def ask() -> list[Standing | None]:
        rate = Rate("2/hour")
        return [await rate.count(who) for who in ("a", "a", "a", "b")]

    standings = [standing for standing in asyncio.run(ask()) if standing]
    assert [(standing.allowed, standing.remaining) for standing in standings] == [
        (True, 1),
        (True, 0),
        (False, 0),
        (True, 1),
    ]
    assert all(3590 < standing.reset_seconds <= 3600 for standing in standings)


def test_a_redis_that_is_gone_stops_nobody_and_is_not_asked_at_each_request() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        url = f"redis://127.0.0.1:{taken.getsockname()[1]}/0"

        async def ask() -> tuple[list[Standing | None], float]:
            rate = Rate("1/hour", redis_url=url)
            began = time.monotonic()
            return [await rate.count("a") for _ in range(50)], time.monotonic() - began

        standings, seconds = asyncio.run(ask())
    assert standings == [None] * 50
    assert seconds < 2

"""Which calls are asked again, on both drivers, against a real server on loopback."""

from __future__ import annotations

import logging
import socket
import time
from contextlib import ExitStack, suppress

import pytest
import stamina
from learngenes_client import calls
from learngenes_client.calls import Call
from learngenes_client.effects import ask
from learngenes_client.errors import Dropped, ServiceUnavailable, Stalled, TooManyRequests, Unanswered, Unreachable
from learngenes_client.request import Request
from unit.client import misbehaving as bad
from unit.client.drivers import Driver
from unit.client.misbehaving import ID, Act, Handler, Server

INITIALIZE = calls.initialize(Request(depth=9))
CANCEL = Call("POST", "/initialize", json={}, idempotent=False)


def first(act: Act, *, times: int, server: Server) -> None:
    """So many answers like that, then honest ones."""
    left = [act] * times

    def answer(handler: Handler) -> None:
        (left.pop() if left else lambda handler: handler.json(200, server.document))(handler)

    server.initialize = answer


@pytest.mark.parametrize(
    "act",
    [bad.plain(502), bad.plain(503), bad.plain(504), bad.plain(429), bad.hang_up],
    ids=["502", "503", "504", "429", "cut"],
)
def test_what_passes_is_asked_again(driver: Driver, server: Server, act: Act) -> None:
    first(act, times=2, server=server)
    with stamina.set_testing(True, attempts=4):
        answer = driver.run(server.url, ask(INITIALIZE), tries=4)
    assert calls.read_document(answer).id == ID
    assert len(server.seen) == 3
    assert len({seen.body for seen in server.seen}) == 1


@pytest.mark.parametrize(
    ("act", "error"), [(bad.plain(503), ServiceUnavailable), (bad.plain(429), TooManyRequests), (bad.hang_up, Dropped)]
)
def test_after_the_last_try_the_last_error_is_raised(
    driver: Driver, server: Server, act: Act, error: type[Exception]
) -> None:
    first(act, times=9, server=server)
    with stamina.set_testing(True, attempts=3), pytest.raises(error):
        driver.run(server.url, ask(INITIALIZE), tries=3)
    assert len(server.seen) == 3


@pytest.mark.parametrize("act", [bad.plain(503), bad.hang_up], ids=["503", "cut"])
def test_what_is_not_idempotent_is_asked_once(driver: Driver, server: Server, act: Act) -> None:
    first(act, times=9, server=server)
    with stamina.set_testing(True, attempts=4), pytest.raises((ServiceUnavailable, Dropped)):
        driver.run(server.url, ask(CANCEL), tries=4)
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [400, 404, 409, 500])
def test_an_answer_is_an_answer(driver: Driver, server: Server, status: int) -> None:
    first(bad.plain(status), times=9, server=server)
    with stamina.set_testing(True, attempts=4):
        assert driver.run(server.url, ask(INITIALIZE), tries=4).status == status
    assert len(server.seen) == 1


def test_silence_is_not_waited_for_twice(driver: Driver, server: Server) -> None:
    server.initialize = lambda handler: handler.server.released.wait(5)
    with stamina.set_testing(True, attempts=4), pytest.raises(Stalled):
        driver.run(server.url, ask(INITIALIZE), tries=4, timeout_seconds=0.2)
    assert len(server.seen) == 1


def test_a_server_that_is_not_there_is_tried_again_whatever_is_asked(driver: Driver) -> None:
    with bad.serving() as gone:
        pass
    with stamina.set_testing(True, attempts=4), pytest.raises(Unreachable):
        driver.run(gone.url, ask(CANCEL), tries=4)


def test_a_service_is_left_alone_for_as_long_as_it_says(driver: Driver, server: Server) -> None:
    first(lambda handler: handler.send(429, b"", Retry_After="1"), times=1, server=server)
    began = time.monotonic()
    assert driver.run(server.url, ask(INITIALIZE), tries=2).status == 200
    assert 0.95 < time.monotonic() - began < 5


def test_a_connection_that_nobody_answers_is_not_waited_for_twice(driver: Driver) -> None:
    with ExitStack() as sockets:
        full = sockets.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):  # nobody accepts, and no more fit
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(full.getsockname())
        began = time.monotonic()
        with stamina.set_testing(True, attempts=4), pytest.raises(Unanswered, match=r"in 0\.3 seconds"):
            driver.run(f"http://127.0.0.1:{full.getsockname()[1]}", ask(INITIALIZE), tries=4, timeout_seconds=0.3)
        assert time.monotonic() - began < 1.1


def test_a_call_leaves_no_handler_behind(driver: Driver, server: Server) -> None:
    handlers = logging.getLogger("stamina").handlers
    driver.run(server.url, ask(INITIALIZE))
    before = len(handlers)
    for _ in range(3):
        driver.run(server.url, ask(INITIALIZE))
    assert len(handlers) == before

"""Following a job, on both drivers, over a server that cuts, falls silent and restarts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from learngenes_client.errors import BadAnswer, Dropped, InvalidArgument, JobNotFound, ServiceUnavailable
from learngenes_client.flows.jobs import LIFE_SECONDS, REFUSAL_BYTES, TRIES, watch
from learngenes_client.jobs import Event
from unit.client import misbehaving as bad
from unit.client.drivers import SESSION, Driver
from unit.client.misbehaving import Act, Handler, Server

JOB = "ab12"
PATH = f"/v1/jobs/{JOB}/events"


def event(number: int, name: str = "step") -> bytes:
    return f'id: {number}-0\nevent: {name}\ndata: {{"n": {number}}}\n\n'.encode()


def said(*pieces: bytes, cut: bool = False) -> Act:
    """A stream of these pieces; cut: it hangs up instead of ending it."""

    def act(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if cut:
            handler.close_connection = True
        else:
            handler.wfile.write(b"0\r\n\r\n")

    return act


def follow(driver: Driver, server: Server, *answers: Act, most: int = 10**9) -> list[Event]:
    server.other[PATH] = list(answers)
    return driver.take(server.url, watch(SESSION, JOB), most=most)


def test_every_event_comes_once_and_the_last_is_the_end(driver: Driver, server: Server) -> None:
    found = follow(driver, server, said(b": here\n\n", event(1, "start"), event(2), event(3, "end")))
    assert [(one.id, one.name, one.data) for one in found] == [
        ("1-0", "start", {"n": 1}),
        ("2-0", "step", {"n": 2}),
        ("3-0", "end", {"n": 3}),
    ]
    assert server.seen[0].headers["accept"] == "text/event-stream"
    assert "last-event-id" not in server.seen[0].headers


def test_a_stream_that_is_cut_is_gone_on_with_after_its_last_event(driver: Driver, server: Server) -> None:
    found = follow(
        driver,
        server,
        said(event(1), event(2) + event(3)[:20], cut=True),
        bad.hang_up,
        bad.plain(502),
        said(event(3)),  # a service that is being replaced ends its streams without an end
        said(event(4, "end")),
    )
    assert [one.id for one in found] == ["1-0", "2-0", "3-0", "4-0"]
    assert [seen.headers.get("last-event-id") for seen in server.seen] == [None, "2-0", "2-0", "2-0", "3-0"]
    assert driver.waits == [0.5, 1, 2, 0.5]


def test_a_reader_may_begin_in_the_middle_and_leave_before_the_end(driver: Driver, server: Server) -> None:
    server.other[PATH] = [said(event(6), event(7), event(8, "end"))]
    found = driver.take(server.url, watch(SESSION, JOB, after="5-0"), most=2)
    assert [one.id for one in found] == ["6-0", "7-0"]
    assert server.seen[0].headers["last-event-id"] == "5-0"


@pytest.mark.parametrize(
    ("act", "error"), [(bad.hang_up, Dropped), (bad.plain(503), ServiceUnavailable), (said(), Dropped)]
)
def test_a_service_that_stays_away_is_an_error_after_all_tries(
    driver: Driver, server: Server, act: Act, error: type[Exception]
) -> None:
    with pytest.raises(error):
        follow(driver, server, *[act] * TRIES)
    assert len(server.seen) == TRIES
    assert driver.waits == [0.5, 1, 2, 4, 8, 16, 30]


def test_a_job_that_is_not_there_is_not_waited_for(driver: Driver, server: Server) -> None:
    with pytest.raises(JobNotFound):
        follow(driver, server, bad.problem(404, "job-not-found"))
    assert len(server.seen) == 1


def test_what_is_no_event_is_a_bad_answer(driver: Driver, server: Server) -> None:
    with pytest.raises(BadAnswer):
        follow(driver, server, said(b"data: <html>\n\n"))


@pytest.mark.parametrize("id", ["", "..", "a/b", "a?b", "é", "a\n"])
def test_an_id_that_could_leave_its_place_is_not_sent(driver: Driver, server: Server, id: str) -> None:
    with pytest.raises(InvalidArgument, match="job's id"):
        driver.take(server.url, watch(SESSION, id))
    assert server.seen == []


def test_a_sign_of_life_alone_is_no_reason_to_go_on_for_ever(driver: Driver, server: Server) -> None:
    with pytest.raises(Dropped):
        follow(driver, server, *[said(b": here\n\n")] * (3 * TRIES))
    assert len(server.seen) == TRIES


def test_a_connection_that_lived_for_a_while_was_a_good_one(driver: Driver, server: Server) -> None:
    now = iter(range(0, 10**6, round(LIFE_SECONDS)))
    server.other[PATH] = [said(b": here\n\n")] * (2 * TRIES) + [said(event(1, "end"))]
    session = replace(SESSION, clock=lambda: float(next(now)))
    assert [one.id for one in driver.take(server.url, watch(session, JOB))] == ["1-0"]
    assert driver.waits == [0.5] * (2 * TRIES)


def test_a_refusal_without_end_is_not_read_to_its_end(driver: Driver, server: Server) -> None:
    sent: list[int] = []

    def endless(handler: Handler) -> None:
        handler.send_response(404)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for _ in range(32 * REFUSAL_BYTES // 65536):
            handler.wfile.write(b"%x\r\n%b\r\n" % (65536, bytes(65536)))
            sent.append(65536)

    with pytest.raises(BadAnswer, match="404"):
        follow(driver, server, endless)
    assert sum(sent) < 24 * REFUSAL_BYTES


@pytest.mark.parametrize("after", ["é", "a\nb", "a b", "x" * 201])
def test_an_events_id_that_can_not_be_a_header_is_not_sent(driver: Driver, server: Server, after: str) -> None:
    with pytest.raises(InvalidArgument, match="event's id"):
        driver.take(server.url, watch(SESSION, JOB, after=after))
    assert server.seen == []


def test_an_events_id_that_could_not_be_sent_back_is_a_bad_answer(driver: Driver, server: Server) -> None:
    with pytest.raises(BadAnswer, match="event's id"):
        follow(driver, server, said("id: é\ndata: {}\n\n".encode(), cut=True), said(event(2, "end")))

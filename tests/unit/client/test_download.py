"""A download on both drivers, from a real server on loopback that breaks down in every way we know."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from learngenes_client.errors import (
    DescendantNotFound,
    Dropped,
    ServiceUnavailable,
    Stalled,
    Unreachable,
)
from learngenes_client.flows.download import TRIES, fetch_file
from learngenes_client.models import RemoteFile
from unit.client import misbehaving as bad
from unit.client.drivers import FILE, Driver, fetch, leave_part, left_behind
from unit.client.misbehaving import ID, WEIGHTS, Server


def test_an_honest_server_is_asked_once_and_nothing_but_the_file_stays(
    driver: Driver, server: Server, target: Path
) -> None:
    assert fetch(driver, server, target) == []
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == [None]
    assert left_behind(target) == {"model.safetensors"}


def test_a_file_that_is_there_is_not_asked_for(driver: Driver, server: Server, target: Path) -> None:
    fetch(driver, server, target)
    fetch(driver, server, target)
    assert len(server.seen) == 1


def test_an_empty_file_needs_no_request(driver: Driver, server: Server, target: Path) -> None:
    fetch(driver, server, target, RemoteFile("empty", 0, hashlib.sha256(b"").hexdigest(), "/empty"))
    assert target.read_bytes() == b""
    assert server.seen == []


def test_a_cut_connection_is_gone_on_with_from_the_byte_where_it_was_cut(
    driver: Driver, server: Server, target: Path
) -> None:
    server.plan = [bad.cut(100_000), bad.cut(50_000)]
    fetch(driver, server, target)
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]
    assert server.seen[1].headers["if-range"] == f'"{ID}"'


def test_progress_forgives_earlier_failures(driver: Driver, server: Server, target: Path) -> None:
    server.plan = [bad.cut(10_000)] * (3 * TRIES)
    assert fetch(driver, server, target) == [0.5] * (3 * TRIES)
    assert target.read_bytes() == WEIGHTS


def test_waits_double_and_tries_end_when_nothing_new_comes(driver: Driver, server: Server, target: Path) -> None:
    server.plan = [bad.cut(1000)] + [bad.cut(0)] * 20
    with pytest.raises(Dropped, match="safetensors"):
        fetch(driver, server, target)
    assert driver.waits == [0.5, 1, 2, 4, 8][: TRIES - 1]
    assert len(server.seen) == TRIES
    assert target.with_name("model.safetensors.part").stat().st_size == 1000


def test_a_part_left_by_another_process_is_gone_on_with(driver: Driver, server: Server, target: Path) -> None:
    leave_part(target, WEIGHTS[:123_457])
    fetch(driver, server, target)
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == ["bytes=123457-"]
    assert left_behind(target) == {"model.safetensors"}


def test_a_part_that_lacked_only_its_name_needs_no_request(driver: Driver, server: Server, target: Path) -> None:
    leave_part(target, WEIGHTS)
    fetch(driver, server, target)
    assert target.read_bytes() == WEIGHTS
    assert server.seen == []


def test_silence_is_stalled_after_all_tries_and_what_came_is_kept(driver: Driver, server: Server, target: Path) -> None:
    server.plan = [bad.stall(1000)] + [bad.stall(0)] * TRIES
    with pytest.raises(Stalled, match=r"not a byte for 0\.05 seconds"):
        fetch(driver, server, target, stall_seconds=0.05)
    assert server.ranges == [None] + ["bytes=1000-"] * (TRIES - 1)
    assert left_behind(target) == {"model.safetensors.part", "model.safetensors.part.etag"}


def test_silence_in_the_middle_is_survived(driver: Driver, server: Server, target: Path) -> None:
    server.plan = [bad.stall(1000), bad.hang_up, bad.plain(502)]
    fetch(driver, server, target, stall_seconds=0.2)
    assert target.read_bytes() == WEIGHTS


def test_a_service_that_stays_away_is_unavailable(driver: Driver, server: Server, target: Path) -> None:
    server.plan = [bad.plain(503)] * TRIES
    with pytest.raises(ServiceUnavailable, match="503"):
        fetch(driver, server, target)


def test_a_refusal_is_not_asked_for_twice(driver: Driver, server: Server, target: Path) -> None:
    server.plan = [bad.problem(404, "descendant-not-found")]
    with pytest.raises(DescendantNotFound):
        fetch(driver, server, target)
    assert len(server.seen) == 1


def test_a_server_that_is_gone_is_unreachable(driver: Driver, target: Path) -> None:
    with bad.serving() as server:
        pass
    with pytest.raises(Unreachable, match="no connection to http://127"):
        fetch(driver, server, target)


def test_progress_is_told_in_bytes_and_begins_where_the_part_ends(driver: Driver, server: Server, target: Path) -> None:
    leave_part(target, WEIGHTS[:100_000])
    told: list[tuple[int, int]] = []
    driver.run(server.url, fetch_file(FILE, target, progress=lambda done, total: told.append((done, total))))
    assert told[0] == (100_000, len(WEIGHTS))
    assert told[-1] == (len(WEIGHTS), len(WEIGHTS))
    assert told == sorted(told)


def test_an_error_in_the_callers_progress_keeps_what_came(driver: Driver, server: Server, target: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        driver.run(server.url, fetch_file(FILE, target, progress=stop))
    kept = target.with_name("model.safetensors.part").stat().st_size
    assert 0 < kept <= len(WEIGHTS)
    fetch(driver, server, target)
    assert server.ranges == [None, f"bytes={kept}-"]

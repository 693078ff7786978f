"""A download on both drivers, from a real server on loopback that says what is not so."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from learngenes_client.errors import BadAnswer, Dropped, IntegrityError
from learngenes_client.flows.download import TRIES
from unit.client import misbehaving as bad
from unit.client.drivers import FILE, NO_DIGEST, Driver, fetch, leave_part, left_behind
from unit.client.misbehaving import WEIGHTS, Server


def test_the_same_bytes_again_and_again_are_no_progress(driver: Driver, server: Server, target: Path) -> None:
    server.etag = 'W/"weak"'  # so there is nothing to resume by
    server.plan = [bad.cut(1000)] * 20
    leave_part(target, bytes(1000))
    with pytest.raises(Dropped):
        fetch(driver, server, target)
    assert server.ranges == ["bytes=1000-"] + [None] * (TRIES - 1)
    assert left_behind(target) == {"model.safetensors.part"}  # the old version's ETag is not lent to the new


def test_a_server_that_ignores_ranges_makes_us_start_anew(driver: Driver, server: Server, target: Path) -> None:
    server.plan = [bad.cut(100_000), bad.whole(WEIGHTS)]
    fetch(driver, server, target)
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == [None, "bytes=100000-"]


@pytest.mark.parametrize(
    "answer",
    [
        bad.part(99_999, WEIGHTS[99_999:], total=len(WEIGHTS)),
        bad.part(100_000, WEIGHTS[100_000:], total=len(WEIGHTS), etag='"another"'),
        lambda handler: handler.send(206, b"--x\r\n", Content_Type="multipart/byteranges; boundary=x"),
        lambda handler: handler.send(416, b"", Content_Range="bytes */5"),
    ],
    ids=["another start", "another version", "several parts", "past the end"],
)
def test_a_part_that_is_not_the_rest_makes_us_start_anew(
    driver: Driver, server: Server, target: Path, answer: bad.Act
) -> None:
    server.plan = [bad.cut(100_000), answer]
    fetch(driver, server, target)
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == [None, "bytes=100000-", None]


def test_a_part_where_the_whole_was_asked_for_is_a_bad_answer(driver: Driver, server: Server, target: Path) -> None:
    server.plan = [bad.part(0, WEIGHTS, total=len(WEIGHTS))]
    with pytest.raises(BadAnswer, match="a part where the whole was asked for"):
        fetch(driver, server, target)


def test_a_file_that_changed_between_two_requests_is_not_mixed_with_the_old_one(
    driver: Driver, server: Server, target: Path
) -> None:
    leave_part(target, bytes(100_000), etag='"an older version"')
    fetch(driver, server, target)
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == ["bytes=100000-"]


@pytest.mark.parametrize("length", [1000, len(WEIGHTS)])
def test_a_part_of_no_known_version_is_thrown_away(driver: Driver, server: Server, target: Path, length: int) -> None:
    leave_part(target, bytes(length))
    target.with_name("model.safetensors.part.etag").unlink()
    fetch(driver, server, target)
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == [None]


def test_a_part_longer_than_the_file_is_thrown_away(driver: Driver, server: Server, target: Path) -> None:
    leave_part(target, WEIGHTS + b"!")
    fetch(driver, server, target)
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == [None]


def test_wrong_bytes_are_deleted_and_both_digests_told(driver: Driver, server: Server, target: Path) -> None:
    wrong = bytes(len(WEIGHTS))
    server.plan = [bad.whole(wrong)]
    with pytest.raises(IntegrityError, match="sha256") as caught:
        fetch(driver, server, target)
    assert caught.value.expected == FILE.sha256
    assert caught.value.actual == hashlib.sha256(wrong).hexdigest()
    assert left_behind(target) == set()


def test_a_wrong_beginning_of_a_resumed_file_is_found(driver: Driver, server: Server, target: Path) -> None:
    leave_part(target, bytes(1000))
    with pytest.raises(IntegrityError, match="sha256"):
        fetch(driver, server, target)
    assert left_behind(target) == set()


@pytest.mark.parametrize("body", [WEIGHTS[:-1], WEIGHTS + b"!"], ids=["short", "long"])
@pytest.mark.parametrize("answer", [bad.whole, bad.chunked], ids=["length said", "length unsaid"])
def test_a_body_of_another_length_is_never_kept(
    driver: Driver, server: Server, target: Path, body: bytes, answer: object
) -> None:
    server.plan = [answer(body)] * TRIES  # type: ignore[operator]
    with pytest.raises(IntegrityError, match=f"bytes should be {len(WEIGHTS)}"):
        fetch(driver, server, target)
    assert left_behind(target) == set()
    if answer is bad.whole:
        assert len(server.seen) == 1  # its header tells; nothing is read


def test_a_body_without_end_is_left_at_the_files_end(driver: Driver, server: Server, target: Path) -> None:
    server.plan = [bad.endless]
    with pytest.raises(IntegrityError, match=f"bytes should be {len(WEIGHTS)}, got at least"):
        fetch(driver, server, target)
    assert left_behind(target) == set()


def test_a_short_answer_of_unsaid_length_is_completed_by_a_range(driver: Driver, server: Server, target: Path) -> None:
    server.plan = [bad.chunked(WEIGHTS[:200_000])]
    fetch(driver, server, target)
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == [None, "bytes=200000-"]


def test_an_encoded_body_is_a_bad_answer(driver: Driver, server: Server, target: Path) -> None:
    server.plan = [lambda handler: handler.send(200, WEIGHTS, Content_Encoding="gzip")]
    with pytest.raises(BadAnswer, match="encoded"):
        fetch(driver, server, target)
    assert server.seen[0].headers["accept-encoding"] == "identity"


def test_a_file_without_a_digest_is_not_taken_on_trust(driver: Driver, server: Server, target: Path) -> None:
    with pytest.raises(BadAnswer, match=r"which sha256 model\.safetensors has"):
        fetch(driver, server, target, NO_DIGEST)
    assert left_behind(target) == set()
    assert server.seen == []

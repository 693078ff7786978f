"""fetch_file against a real server on loopback that misbehaves in every way we know."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from learngenes_client.download import TRIES, fetch_file
from learngenes_client.errors import (
    BadAnswer,
    DescendantNotFound,
    Dropped,
    IntegrityError,
    ServiceUnavailable,
    Stalled,
    Unreachable,
)
from learngenes_client.models import RemoteFile
from learngenes_client.transport import Transport
from unit.client import misbehaving as bad
from unit.client.misbehaving import FOLDER, ID, WEIGHTS, Server

FILE = RemoteFile("model.safetensors", len(WEIGHTS), hashlib.sha256(WEIGHTS).hexdigest(), f"{FOLDER}/model.safetensors")
NO_DIGEST = dataclasses.replace(FILE, sha256=None)


@pytest.fixture
def server() -> Iterator[Server]:
    with bad.serving() as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def fetch(server: Server, target: Path, file: RemoteFile = FILE, *, stall_seconds: float = 5) -> list[float]:
    """How long it waited before each further try; it did not really wait."""
    waits: list[float] = []
    with Transport(server.url, timeout_seconds=5, stall_seconds=stall_seconds) as transport:
        fetch_file(transport, file, target, sleep=waits.append)
    return waits


def left_behind(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()}


def leave_part(target: Path, content: bytes, etag: str = f'"{ID}"') -> None:
    target.with_name("model.safetensors.part").write_bytes(content)
    target.with_name("model.safetensors.part.etag").write_text(etag)


def test_an_honest_server_is_asked_once_and_nothing_but_the_file_stays(server: Server, target: Path) -> None:
    assert fetch(server, target) == []
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == [None]
    assert left_behind(target) == {"model.safetensors"}


def test_a_file_that_is_there_is_not_asked_for(server: Server, target: Path) -> None:
    fetch(server, target)
    fetch(server, target)
    assert len(server.seen) == 1


def test_an_empty_file_needs_no_request(server: Server, target: Path) -> None:
    fetch(server, target, RemoteFile("empty", 0, hashlib.sha256(b"").hexdigest(), "/empty"))
    assert target.read_bytes() == b""
    assert server.seen == []


def test_a_cut_connection_is_gone_on_with_from_the_byte_where_it_was_cut(server: Server, target: Path) -> None:
    server.plan = [bad.cut(100_000), bad.cut(50_000)]
    fetch(server, target)
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]
    assert server.seen[1].headers["if-range"] == f'"{ID}"'


def test_progress_forgives_earlier_failures(server: Server, target: Path) -> None:
    server.plan = [bad.cut(10_000)] * (3 * TRIES)
    assert fetch(server, target) == [0.5] * (3 * TRIES)
    assert target.read_bytes() == WEIGHTS


def test_waits_double_and_tries_end_when_nothing_new_comes(server: Server, target: Path) -> None:
    server.plan = [bad.cut(1000)] + [bad.cut(0)] * 20
    waits: list[float] = []
    with (
        Transport(server.url, timeout_seconds=5, stall_seconds=5) as transport,
        pytest.raises(Dropped, match="safetensors"),
    ):
        fetch_file(transport, FILE, target, sleep=waits.append)
    assert waits == [0.5, 1, 2, 4, 8][: TRIES - 1]
    assert len(server.seen) == TRIES
    assert target.with_name("model.safetensors.part").stat().st_size == 1000


def test_the_same_bytes_again_and_again_are_no_progress(server: Server, target: Path) -> None:
    server.etag = 'W/"weak"'  # so there is nothing to resume by
    server.plan = [bad.cut(1000)] * 20
    leave_part(target, bytes(1000))
    with pytest.raises(Dropped):
        fetch(server, target)
    assert server.ranges == ["bytes=1000-"] + [None] * (TRIES - 1)
    assert left_behind(target) == {"model.safetensors.part"}  # the old version's ETag is not lent to the new


def test_a_server_that_ignores_ranges_makes_us_start_anew(server: Server, target: Path) -> None:
    server.plan = [bad.cut(100_000), bad.whole(WEIGHTS)]
    fetch(server, target)
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
def test_a_part_that_is_not_the_rest_makes_us_start_anew(server: Server, target: Path, answer: bad.Act) -> None:
    server.plan = [bad.cut(100_000), answer]
    fetch(server, target)
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == [None, "bytes=100000-", None]


def test_a_part_where_the_whole_was_asked_for_is_a_bad_answer(server: Server, target: Path) -> None:
    server.plan = [bad.part(0, WEIGHTS, total=len(WEIGHTS))]
    with pytest.raises(BadAnswer, match="a part where the whole was asked for"):
        fetch(server, target)


def test_a_file_that_changed_between_two_requests_is_not_mixed_with_the_old_one(server: Server, target: Path) -> None:
    leave_part(target, bytes(100_000), etag='"an older version"')
    fetch(server, target, NO_DIGEST)
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == ["bytes=100000-"]


def test_a_part_left_by_another_process_is_gone_on_with(server: Server, target: Path) -> None:
    leave_part(target, WEIGHTS[:123_457])
    fetch(server, target)
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == ["bytes=123457-"]
    assert left_behind(target) == {"model.safetensors"}


def test_a_part_that_lacked_only_its_name_needs_no_request(server: Server, target: Path) -> None:
    leave_part(target, WEIGHTS)
    fetch(server, target)
    assert target.read_bytes() == WEIGHTS
    assert server.seen == []


@pytest.mark.parametrize("length", [1000, len(WEIGHTS)])
def test_a_part_of_no_known_version_is_thrown_away(server: Server, target: Path, length: int) -> None:
    leave_part(target, bytes(length))
    target.with_name("model.safetensors.part.etag").unlink()
    fetch(server, target, NO_DIGEST)
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == [None]


def test_a_part_longer_than_the_file_is_thrown_away(server: Server, target: Path) -> None:
    leave_part(target, WEIGHTS + b"!")
    fetch(server, target)
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == [None]


def test_wrong_bytes_are_deleted_and_both_digests_told(server: Server, target: Path) -> None:
    wrong = bytes(len(WEIGHTS))
    server.plan = [bad.whole(wrong)]
    with pytest.raises(IntegrityError, match="sha256") as caught:
        fetch(server, target)
    assert caught.value.expected == FILE.sha256
    assert caught.value.actual == hashlib.sha256(wrong).hexdigest()
    assert left_behind(target) == set()


def test_a_wrong_beginning_of_a_resumed_file_is_found(server: Server, target: Path) -> None:
    leave_part(target, bytes(1000))
    with pytest.raises(IntegrityError, match="sha256"):
        fetch(server, target)
    assert left_behind(target) == set()


@pytest.mark.parametrize("file", [FILE, NO_DIGEST], ids=["digest known", "digest unknown"])
@pytest.mark.parametrize("body", [WEIGHTS[:-1], WEIGHTS + b"!"], ids=["short", "long"])
@pytest.mark.parametrize("answer", [bad.whole, bad.chunked], ids=["length said", "length unsaid"])
def test_a_body_of_another_length_is_never_kept(
    server: Server, target: Path, file: RemoteFile, body: bytes, answer: object
) -> None:
    server.plan = [answer(body)] * TRIES  # type: ignore[operator]
    with pytest.raises(IntegrityError, match=f"bytes should be {len(WEIGHTS)}"):
        fetch(server, target, file)
    assert left_behind(target) == set()
    if answer is bad.whole:
        assert len(server.seen) == 1  # its header tells; nothing is read


def test_a_body_without_end_is_left_at_the_files_end(server: Server, target: Path) -> None:
    server.plan = [bad.endless]
    with pytest.raises(IntegrityError, match=f"bytes should be {len(WEIGHTS)}, got at least"):
        fetch(server, target, NO_DIGEST)
    assert left_behind(target) == set()


def test_a_short_answer_of_unsaid_length_is_completed_by_a_range(server: Server, target: Path) -> None:
    server.plan = [bad.chunked(WEIGHTS[:200_000])]
    fetch(server, target)
    assert target.read_bytes() == WEIGHTS
    assert server.ranges == [None, "bytes=200000-"]


def test_an_encoded_body_is_a_bad_answer(server: Server, target: Path) -> None:
    server.plan = [lambda handler: handler.send(200, WEIGHTS, Content_Encoding="gzip")]
    with pytest.raises(BadAnswer, match="encoded"):
        fetch(server, target)
    assert server.seen[0].headers["accept-encoding"] == "identity"


def test_silence_is_stalled_after_all_tries_and_what_came_is_kept(server: Server, target: Path) -> None:
    server.plan = [bad.stall(1000)] + [bad.stall(0)] * TRIES
    with pytest.raises(Stalled, match=r"not a byte for 0\.05 seconds"):
        fetch(server, target, stall_seconds=0.05)
    assert server.ranges == [None] + ["bytes=1000-"] * (TRIES - 1)
    assert left_behind(target) == {"model.safetensors.part", "model.safetensors.part.etag"}


def test_silence_in_the_middle_is_survived(server: Server, target: Path) -> None:
    server.plan = [bad.stall(1000), bad.hang_up, bad.plain(502)]
    fetch(server, target, stall_seconds=0.2)
    assert target.read_bytes() == WEIGHTS


def test_a_service_that_stays_away_is_unavailable(server: Server, target: Path) -> None:
    server.plan = [bad.plain(503)] * TRIES
    with pytest.raises(ServiceUnavailable, match="503"):
        fetch(server, target)


def test_a_refusal_is_not_asked_for_twice(server: Server, target: Path) -> None:
    server.plan = [bad.problem(404, "descendant-not-found")]
    with pytest.raises(DescendantNotFound):
        fetch(server, target)
    assert len(server.seen) == 1


def test_a_server_that_is_gone_is_unreachable(target: Path) -> None:
    with bad.serving() as server:
        pass
    with pytest.raises(Unreachable, match="no connection to http://127"):
        fetch(server, target)


def test_progress_is_told_in_bytes_and_begins_where_the_part_ends(server: Server, target: Path) -> None:
    leave_part(target, WEIGHTS[:100_000])
    told: list[tuple[int, int]] = []
    with Transport(server.url, timeout_seconds=5, stall_seconds=5) as transport:
        fetch_file(transport, FILE, target, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (100_000, len(WEIGHTS))
    assert told[-1] == (len(WEIGHTS), len(WEIGHTS))
    assert told == sorted(told)


def test_an_error_in_the_callers_progress_keeps_what_came(server: Server, target: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with Transport(server.url, timeout_seconds=5, stall_seconds=5) as transport, pytest.raises(KeyboardInterrupt):
        fetch_file(transport, FILE, target, progress=stop)
    kept = target.with_name("model.safetensors.part").stat().st_size
    assert 0 < kept <= len(WEIGHTS)
    fetch(server, target)
    assert server.ranges == [None, f"bytes={kept}-"]

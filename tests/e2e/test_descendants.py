"""A descendant by its id: ranges, conditions, HEAD, and many readers at once."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from e2e.sockets import anonymous_bytes, opened


@pytest.fixture(scope="module")
def document(service: Any) -> Any:
    answer = httpx.post(
        f"{service.url}/initialize", json={"depth": 7, "num_classes": 5}, headers={"accept": "application/json"}
    )
    return answer.json()


@pytest.fixture(scope="module")
def url(service: Any, document: Any) -> str:
    return str(service.url + document["files"][0]["url"])


@pytest.fixture(scope="module")
def whole(url: str) -> bytes:
    return httpx.get(url).content


def test_every_file_has_the_size_and_digest_that_the_document_states(service: Any, document: Any) -> None:
    for file in document["files"]:
        answer = httpx.get(service.url + file["url"])
        assert answer.status_code == 200
        assert (len(answer.content), hashlib.sha256(answer.content).hexdigest()) == (file["bytes"], file["sha256"])


def test_the_document_can_be_had_again_by_its_id(service: Any, document: Any) -> None:
    assert httpx.get(f"{service.url}/v1/descendants/{document['id']}").json() == document


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "recipe.json"])
def test_head_answers_like_get_without_a_body(service: Any, document: Any, name: str) -> None:
    at = f"{service.url}/v1/descendants/{document['id']}/{name}"
    head, get = httpx.head(at), httpx.get(at)
    assert head.content == b""
    for header in ("etag", "content-length", "accept-ranges", "content-type", "cache-control"):
        assert head.headers[header] == get.headers[header]
    assert int(head.headers["content-length"]) == len(get.content)


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-99", 10, 100),
        ("bytes=1000-", 1000, None),
        ("bytes=-7", -7, None),
        ("bytes=5-999999999", 5, None),
        ("bytes=-999999999", 0, None),
        ("BYTES=3-4", 3, 5),
    ],
)
def test_a_range_is_that_slice_of_the_whole(url: str, whole: bytes, wanted: str, start: int, stop: int | None) -> None:
    answer = httpx.get(url, headers={"range": wanted})
    assert answer.status_code == 206
    assert answer.content == whole[start:stop]
    first = start if start >= 0 else len(whole) + start
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(whole)}"


@pytest.mark.parametrize("wanted", ["bytes=0-1,5-6", "bytes=9-3", "bytes=-", "lines=1-2", "bytes=a-b", "nonsense"])
def test_a_range_we_do_not_serve_is_answered_with_the_whole(url: str, whole: bytes, wanted: str) -> None:
    answer = httpx.get(url, headers={"range": wanted})
    assert (answer.status_code, answer.content) == (200, whole)


@pytest.mark.parametrize("wanted", ["bytes={size}-", "bytes={size}-{size}", "bytes=-0"])
def test_a_range_behind_the_end_is_416_with_the_length(url: str, whole: bytes, wanted: str) -> None:
    answer = httpx.get(url, headers={"range": wanted.format(size=len(whole))})
    assert (answer.status_code, answer.json()["code"]) == (416, "range-not-satisfiable")
    assert "immutable" not in answer.headers.get("cache-control", "")
    assert answer.headers["content-range"] == f"bytes */{len(whole)}"


def test_if_range_gives_the_rest_of_the_same_file_or_the_whole_of_another(url: str, whole: bytes) -> None:
    etag = httpx.head(url).headers["etag"]
    same = httpx.get(url, headers={"range": "bytes=100-", "if-range": etag})
    other = httpx.get(url, headers={"range": "bytes=100-", "if-range": '"another"'})
    assert (same.status_code, same.content) == (206, whole[100:])
    assert (other.status_code, other.content) == (200, whole)


@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', "*"])
def test_if_none_match_saves_the_transfer(url: str, form: str) -> None:
    etag = httpx.head(url).headers["etag"]
    answer = httpx.get(url, headers={"if-none-match": form.format(etag)})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert httpx.get(url, headers={"if-none-match": '"another"'}).status_code == 200


@pytest.mark.parametrize("id", ["0" * 64, "0" * 63, "..%2f..", "A" * 64, "%00"])
@pytest.mark.parametrize("tail", ["", "/model.safetensors", "/config.json"])
def test_an_unknown_id_says_where_ids_come_from(service: Any, id: str, tail: str) -> None:
    answer = httpx.get(f"{service.url}/v1/descendants/{id}{tail}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] in ("descendant-not-found", "not-found")


def test_ranges_of_one_connection_follow_each_other_to_the_byte(service: Any, url: str, whole: bytes) -> None:
    draw = random.Random(0)
    with httpx.Client() as client:
        for _ in range(60):
            start = draw.randrange(len(whole))
            stop = draw.randrange(start, len(whole)) + 1
            answer = client.get(url, headers={"range": f"bytes={start}-{stop - 1}"})
            assert answer.content == whole[start:stop]
            assert client.get(f"{service.url}/healthz").json() == {"status": "ok"}


def test_many_readers_at_once_all_get_the_right_bytes(url: str, whole: bytes) -> None:
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(httpx.get(url).content)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [whole] * 16


def test_readers_that_stall_hold_up_nobody_and_cost_no_memory(service: Any) -> None:
    answer = httpx.post(
        f"{service.url}/initialize", json={"learngene": "large", "depth": 64}, headers={"accept": "application/json"}
    )
    file = answer.json()["files"][0]
    assert file["bytes"] > 190_000_000
    before = anonymous_bytes(service.process.pid)
    stalled = [opened(service.url, file["url"]) for _ in range(50)]
    try:
        for connection in stalled:
            assert connection.recv(16)
        for _ in range(20):
            assert httpx.get(f"{service.url}/healthz").status_code == 200
        assert anonymous_bytes(service.process.pid) - before < 24_000_000
    finally:
        for connection in stalled:
            connection.close()


def test_work_stops_when_the_client_leaves(service: Any) -> None:
    answer = httpx.post(
        f"{service.url}/initialize", json={"learngene": "large", "depth": 64}, headers={"accept": "application/json"}
    )
    before = open_files(service.process.pid)
    for _ in range(10):
        connection = opened(service.url, answer.json()["files"][0]["url"])
        assert connection.recv(16)
        connection.close()
    for _ in range(100):
        if open_files(service.process.pid) <= before:
            break
        time.sleep(0.1)
    assert open_files(service.process.pid) <= before


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))

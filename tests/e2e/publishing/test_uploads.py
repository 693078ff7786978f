"""Files on their way in: checked while they come, staged whole or not at all, on any replica."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import factories
import httpx
import pytest
from cases import bucket, checkpoints
from cases.checkpoints import PLAIN, sha256
from cases.publishing import RAW, Start, attacks, code, put, raw_request, staged
from learngenes_service.access.keys import FRESH_SECONDS

from learngenes.store.local import LocalStore
from learngenes.store.opened import open_store

SENTENCES = {
    "10,001 tensors": "the file holds 10001 tensors; at most 10000 are read",
    "a header of 2 MB": "at most 1000000 are read",
}


@pytest.mark.parametrize("what", attacks())
def test_no_attack_gets_in(train: httpx.Client, service: Any, what: str) -> None:
    raw, before = attacks()[what], staged(service)
    refused = put(train, raw)
    assert code(refused) == (422, "bad-tensor-file"), refused.text
    if what in SENTENCES:
        assert SENTENCES[what] in refused.json()["detail"]
    assert staged(service) == before
    assert code(train.post("/v1/learngenes", json={"name": "bad", "sha256": sha256(raw)}))[1] == "invalid-value"


def test_another_digest_than_was_said_is_refused(train: httpx.Client, service: Any) -> None:
    before = staged(service)
    refused = train.put(f"/v1/blobs/{'1' * 64}", content=RAW)
    assert code(refused) == (400, "digest-mismatch")
    assert sha256(RAW) in refused.json()["detail"] and "1" * 64 in refused.json()["detail"]
    assert staged(service) == before
    for wrong in ("1" * 63, "A" * 64, "..", "x"):
        assert train.put(f"/v1/blobs/{wrong}", content=b"x").status_code in (404, 405, 422)


def test_a_file_says_its_length_and_keeps_to_it(train: httpx.Client, service: Any) -> None:
    before = staged(service)
    unsaid = train.put(f"/v1/blobs/{sha256(RAW)[::-1]}", content=iter([RAW]))
    assert code(unsaid) == (411, "length-required")
    large = train.put(f"/v1/blobs/{'2' * 64}", content=bytes(4_000_001))
    assert code(large) == (413, "too-large")
    assert "takes 4000000" in large.json()["detail"]
    fits = train.put(f"/v1/blobs/{'2' * 64}", content=bytes(3_999_999))
    assert code(fits) == (400, "digest-mismatch")  # above body_bytes, which is of all other requests
    assert staged(service) == before


def test_what_ends_early_leaves_nothing(service: Any, keys: tuple[Path, dict[str, str]]) -> None:
    before = staged(service)
    raw = checkpoints.raw(seed=9)
    head = (
        f"PUT /v1/blobs/{sha256(raw)} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {keys[1]['train']}\r\n"
        f"Content-Length: {len(raw)}\r\n\r\n"
    )
    with raw_request(service, head, raw[: len(raw) // 2]):
        deadline = time.monotonic() + 10
        while staged(service) == before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(staged(service)) == len(before) + 1  # it is being written
    while staged(service) != before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert staged(service) == before


def test_a_digest_is_not_enough_to_have_what_another_uploaded(
    train: httpx.Client, admin: httpx.Client, service: Any
) -> None:
    raw = checkpoints.raw(seed=80)
    assert put(admin, raw).status_code == 201
    unsent = raw_put(service, train.headers["authorization"], sha256(raw), close=True)
    assert b"digest-mismatch" in unsent and b" 400 " in unsent
    refused = train.post("/v1/learngenes", json={"name": "stolen", "sha256": sha256(raw)})
    assert code(refused) == (422, "invalid-value")
    assert (put(train, raw).status_code, put(train, raw).status_code) == (201, 200)
    assert train.delete(f"/v1/blobs/{sha256(raw)}").json() == {"sha256": sha256(raw)}
    assert code(train.delete(f"/v1/blobs/{sha256(raw)}")) == (404, "upload-not-found")
    put(train, raw)
    assert admin.delete(f"/v1/blobs/{sha256(raw)}").status_code == 200  # everybody's
    assert code(train.post("/v1/learngenes", json={"name": "gone", "sha256": sha256(raw)}))[1] == "invalid-value"


def raw_put(service: Any, authorization: str, sha256: str, *, length: int = 0, close: bool = False) -> bytes:
    """What comes back where no byte is sent, up to the end of the connection."""
    lines = [f"PUT /v1/blobs/{sha256} HTTP/1.1", "Host: localhost", f"Authorization: {authorization}"]
    lines += [f"Content-Length: {length}", *(["Connection: close"] if close else [])]
    answer = b""
    with raw_request(service, "\r\n".join(lines) + "\r\n\r\n", b"") as opened:
        while piece := opened.recv(65536):  # TimeoutError where it stays open
            answer += piece
    return answer


def test_nobody_waits_for_a_body_that_was_refused(train: httpx.Client, service: Any) -> None:
    answer = raw_put(service, train.headers["authorization"], "5" * 64, length=10**11)
    assert answer.startswith(b"HTTP/1.1 413") and b"connection: close" in answer.lower(), answer
    with httpx.Client(base_url=service.url, headers={"authorization": "Bearer lgz_none"}) as stranger:
        small = put(stranger, RAW)
        assert code(small) == (401, "unauthorized")
        assert "connection" not in small.headers


def test_who_announces_much_and_sends_nothing_keeps_nobody_out(tmp_path: Path, start: Start) -> None:
    factories.catalog(None, factories.learngene(), store=LocalStore(tmp_path / "store"))
    settings = {"LEARNGENES_ANONYMOUS": "train", "LEARNGENES_STAGED_BYTES": str(len(RAW) * 2)}
    with start(tmp_path, settings=settings) as service, httpx.Client(base_url=service.url) as nobody:
        head = f"PUT /v1/blobs/{'6' * 64} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(RAW) * 2}\r\n\r\n"
        with raw_request(service, head, b"x"), raw_request(service, head, b"x"):
            deadline = time.monotonic() + 10
            while len(staged(service)) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert put(nobody, RAW).status_code == 201


def test_uploads_that_nobody_publishes_fill_no_disk(tmp_path: Path, start: Start) -> None:
    factories.catalog(None, factories.learngene(), store=LocalStore(tmp_path / "store"))
    settings = {"LEARNGENES_ANONYMOUS": "train", "LEARNGENES_STAGED_BYTES": str(len(RAW) * 2)}
    with start(tmp_path, settings=settings) as service, httpx.Client(base_url=service.url) as nobody:
        put(nobody, RAW)
        put(nobody, checkpoints.raw(seed=1))
        full = put(nobody, checkpoints.raw(seed=2))
        assert code(full) == (507, "no-room")
        assert nobody.post("/v1/learngenes", json={"name": "one", "sha256": sha256(RAW)}).status_code == 201
        assert put(nobody, checkpoints.raw(seed=2)).status_code == 201  # what is published waits no longer
        for path in (tmp_path / "store" / "staged").iterdir():
            seconds, rest = path.name.split("-", 1)
            path.rename(path.with_name(f"{int(seconds) - 90_000}-{rest}"))
        assert put(nobody, checkpoints.raw(seed=3)).status_code == 201
        assert len(list((tmp_path / "store" / "staged").iterdir())) == 1


def test_on_a_bucket_any_replica_publishes_what_another_was_sent(
    s3: bucket.Server, start: Start, tmp_path: Path
) -> None:
    url = s3.new()
    settings = {**s3.environment, "LEARNGENES_STORE": url, "LEARNGENES_ANONYMOUS": "admin"}
    raw = checkpoints.raw(replace(PLAIN, depth=3, width=256, heads=4))  # more than goes up in one request
    with (
        start(tmp_path / "a", settings=settings) as one,
        start(tmp_path / "b", settings=settings) as other,
        httpx.Client(base_url=one.url, timeout=60) as a,
        httpx.Client(base_url=other.url, timeout=60) as b,
    ):
        assert put(a, raw).status_code == 201
        assert put(b, raw).status_code == 200
        made = b.post("/v1/learngenes", json={"name": "spread", "sha256": sha256(raw)})
        assert (made.status_code, made.json()["reference"]) == (201, "spread@1")
        assert a.post("/initialize", json={"learngene": "spread"}).content == raw
        b.put("/v1/learngenes/spread@1/yank", json={"reason": "worse"})
        assert b.post("/initialize", json={"learngene": "spread"}).status_code == 410
        deadline = time.monotonic() + FRESH_SECONDS + 5
        while a.post("/initialize", json={"learngene": "spread@1"}).status_code != 410:
            assert time.monotonic() < deadline
            time.sleep(0.5)
    left = [key for key in open_store(url).keys("staged") if not key.endswith(".done")]
    assert all(f"{key}.done" in open_store(url).keys("staged") for key in left)  # its room is anybody's

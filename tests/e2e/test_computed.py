"""Descendants whose tensors are computed while they are sent: the right bytes, little memory, and nobody held up."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import pytest
from e2e.sockets import anonymous_bytes, opened
from learngenes_service.descendants.response import PATIENCE_SECONDS

from learngenes.catalog import Catalog
from learngenes.initialize import Request, initialize
from learngenes.store.local import LocalStore
from learngenes.stream import stream

BODY = {"learngene": "large", "depth": 24, "width": 192}
READERS = 8


@pytest.fixture(scope="module")
def document(service: Any) -> Any:
    return httpx.post(f"{service.url}/v1/plan", json=BODY).json()


@pytest.fixture(scope="module")
def url(service: Any, document: Any) -> str:
    return str(service.url + document["files"][0]["url"])


@pytest.fixture(scope="module")
def digest(service: Any, document: Any) -> str:
    catalog = Catalog(LocalStore(service.data / "store"))
    manifest = catalog.get("large")
    file = catalog.assemble(initialize(manifest, Request(depth=24, width=192)), manifest)
    assert file.id == document["id"]
    made = hashlib.sha256()
    for piece in stream(file):
        made.update(piece)
    return made.hexdigest()


def test_many_readers_get_the_right_bytes_while_others_are_answered_at_once(
    service: Any, document: Any, url: str, digest: str
) -> None:
    found: list[str] = []
    readers = [threading.Thread(target=lambda: found.append(sha256_of(url))) for _ in range(READERS)]
    before = anonymous_bytes(service.process.pid)
    waits, most = [], before
    for reader in readers:
        reader.start()
    with httpx.Client() as client:
        while any(reader.is_alive() for reader in readers):
            start = time.monotonic()
            assert client.get(f"{service.url}/healthz").status_code == 200
            waits.append(time.monotonic() - start)
            most = max(most, anonymous_bytes(service.process.pid))
            time.sleep(0.01)
    assert found == [digest] * READERS
    assert median(waits) < 0.2
    assert most - before < document["files"][0]["bytes"]


def test_a_range_computes_only_the_tensors_it_touches(service: Any, document: Any, url: str) -> None:
    size = document["files"][0]["bytes"]
    httpx.get(url, headers={"range": f"bytes={size // 2}-{size // 2}"})
    spent = cpu_seconds(service.process.pid)
    whole = httpx.get(url).content
    all_of_it = cpu_seconds(service.process.pid) - spent
    spent = cpu_seconds(service.process.pid)
    with httpx.Client() as client:
        for i in range(8):
            start = size // 8 * i
            part = client.get(url, headers={"range": f"bytes={start}-{start + 999}"})
            assert (part.status_code, part.content) == (206, whole[start : start + 1000])
    assert cpu_seconds(service.process.pid) - spent < max(all_of_it / 2, 0.1)


def test_head_and_conditions_compute_nothing(service: Any, document: Any, url: str) -> None:
    spent = cpu_seconds(service.process.pid)
    head = httpx.head(url)
    assert (head.content, head.headers["content-length"]) == (b"", str(document["files"][0]["bytes"]))
    unchanged = httpx.get(url, headers={"if-none-match": head.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert cpu_seconds(service.process.pid) - spent < 0.1


def test_a_reader_that_pauses_within_a_tensor_gets_the_rest_of_it(url: str, digest: str) -> None:
    made = hashlib.sha256()
    with httpx.stream("GET", url) as answer:
        for i, piece in enumerate(answer.iter_raw()):
            made.update(piece)
            if i in (1, 50):
                time.sleep(PATIENCE_SECONDS + 0.2)
    assert made.hexdigest() == digest


def test_readers_that_stall_hold_no_tensors(service: Any) -> None:
    """Each is sent what fits its buffers; the tensor it stopped in, one of 4 to 8 MB here, is let go."""
    file = httpx.post(f"{service.url}/v1/plan", json={"learngene": "broad", "width": 704}).json()["files"][0]
    before, stalled = anonymous_bytes(service.process.pid), []
    try:
        for _ in range(4):
            stalled += [opened(service.url, file["url"]) for _ in range(20)]
            for connection in stalled[-20:]:
                assert connection.recv(16)
            time.sleep(PATIENCE_SECONDS + 0.3)
        assert httpx.get(f"{service.url}/healthz").status_code == 200
        assert anonymous_bytes(service.process.pid) - before < len(stalled) * 4_500_000
    finally:
        for connection in stalled:
            connection.close()


@pytest.mark.parametrize(
    "request_",
    [{}, {"width": 64}, {"num_classes": 3, "img_size": 48}, {"dtype": "bf16"}, {"width": 64, "pool": "token"}],
)
def test_stored_tensors_of_two_files_and_computed_ones_go_out_as_one(service: Any, request_: dict[str, Any]) -> None:
    """`completed` keeps two tensors in its own file; all others lie in the file of the learngene it completes."""
    store = Catalog(LocalStore(service.data / "store"))
    manifest = store.get("completed")
    expected = b"".join(stream(store.assemble(initialize(manifest, Request(**request_)), manifest)))
    with httpx.Client() as client:
        answer = client.post(f"{service.url}/initialize", json={"learngene": "completed", **request_})
        assert answer.content == expected
        url = service.url + answer.headers["content-location"]
        for start in range(0, len(expected), len(expected) // 25):
            part = client.get(url, headers={"range": f"bytes={start}-{start + 70_000}"})
            assert part.content == expected[start : start + 70_001]


def sha256_of(url: str) -> str:
    made = hashlib.sha256()
    with httpx.stream("GET", url, timeout=60) as answer:
        for piece in answer.iter_raw():
            made.update(piece)
    return made.hexdigest()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

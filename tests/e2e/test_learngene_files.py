"""The files of a learngene over HTTP: what a client needs to build descendants itself."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import factories
import httpx
import pytest

from learngenes import gene
from learngenes.catalog import Catalog
from learngenes.gene import Manifest
from learngenes.store.local import LocalStore

FILES = ("learngene.safetensors", "manifest.json", "README.md")


def manifest(service: Any) -> Manifest:
    return Catalog(LocalStore(service.data / "store")).get("tiny")


@pytest.mark.parametrize("reference", ["tiny", "tiny@1"])
def test_the_weights_and_the_manifest_are_those_of_the_store(service: Any, reference: str) -> None:
    weights, written, card = (httpx.get(f"{service.url}/v1/learngenes/{reference}/{name}") for name in FILES)
    known = manifest(service)
    assert written.content == gene.to_json(known)
    assert (hashlib.sha256(weights.content).hexdigest(), len(weights.content)) == (
        known.weights.sha256,
        known.weights.bytes,
    )
    assert weights.headers["etag"] == f'"{known.weights.sha256}"'
    assert card.headers["content-type"].startswith("text/markdown")
    assert card.text.startswith("---\nlicense:")
    for answer, name in zip((weights, written, card), FILES, strict=True):
        assert answer.headers["content-location"] == f"/v1/learngenes/tiny@1/{name}"


def test_only_what_names_a_version_is_kept_for_ever(service: Any) -> None:
    kept = {
        (reference, name): httpx.head(f"{service.url}/v1/learngenes/{reference}/{name}").headers["cache-control"]
        for reference in ("tiny", "tiny@1")
        for name in FILES
    }
    immutable = {key for key, said in kept.items() if "immutable" in said}
    assert immutable == {("tiny@1", "learngene.safetensors"), ("tiny@1", "manifest.json")}


@pytest.mark.parametrize("name", FILES)
def test_a_range_of_a_file_is_its_slice_and_head_says_its_length(service: Any, name: str) -> None:
    url = f"{service.url}/v1/learngenes/tiny/{name}"
    whole = httpx.get(url)
    part = httpx.get(url, headers={"range": "bytes=10-99", "if-range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[10:100])
    assert part.headers["content-range"] == f"bytes 10-99/{len(whole.content)}"
    head = httpx.head(url)
    assert (head.status_code, int(head.headers["content-length"]), head.content) == (200, len(whole.content), b"")
    assert httpx.get(url, headers={"if-none-match": whole.headers["etag"]}).status_code == 304
    beyond = httpx.get(url, headers={"range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416


@pytest.mark.parametrize("name", FILES)
def test_every_answer_names_the_digest_of_the_whole_file(service: Any, name: str) -> None:
    url = f"{service.url}/v1/learngenes/tiny@1/{name}"
    sha256 = base64.b64encode(hashlib.sha256(httpx.get(url).content).digest()).decode()
    for answer in (httpx.get(url), httpx.head(url), httpx.get(url, headers={"range": "bytes=10-99"})):
        assert answer.headers["repr-digest"] == f"sha-256=:{sha256}:"


def test_headers_of_the_weights_take_no_look_at_the_file(start: Any, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    known, raw = factories.learngene()
    factories.catalog(None, (known, raw), store=store)
    store.delete(f"blobs/sha256/{known.weights.sha256}")
    with start(tmp_path) as running:
        url = f"{running.url}/v1/learngenes/tiny@1/learngene.safetensors"
        head = httpx.head(url)
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(raw)))
        assert head.headers["etag"] == f'"{known.weights.sha256}"'
        assert httpx.get(url, headers={"if-none-match": head.headers["etag"]}).status_code == 304
        assert httpx.get(url).status_code == 500


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("tinny/manifest.json", "learngene-not-found"),
        ("tiny@9/learngene.safetensors", "learngene-not-found"),
        ("tiny/weights.bin", "not-found"),
        ("No%20Name/manifest.json", "invalid-key"),
    ],
)
def test_what_is_not_there_is_a_problem(service: Any, path: str, code: str) -> None:
    answer = httpx.get(f"{service.url}/v1/learngenes/{path}")
    assert answer.status_code in (404, 422)
    assert answer.json()["code"] == code

"""What a store in a bucket promises beside the contract: parts, failures in our own words, no word of credentials."""

from __future__ import annotations

import hashlib
import mmap
import os
import random
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cases import bucket

from learngenes.errors import BlobExists, BlobNotFound, InvalidValue, StoreUnavailable
from learngenes.store.local import LocalStore
from learngenes.store.opened import open_store
from learngenes.store.s3 import PART_BYTES, ObjectStore

LARGE = random.Random(0).randbytes(1 << 20) * 20 + b"and a bit"
DIGEST = hashlib.sha256(LARGE).hexdigest()
KEY = f"blobs/sha256/{DIGEST}"


@pytest.fixture
def store(s3: bucket.Server) -> ObjectStore:
    return ObjectStore(s3.new())


@pytest.mark.parametrize("key", [KEY, f"staged/1795275735-20971530-{DIGEST}", f"jobs/state/{'a' * 32}/parts/{DIGEST}"])
def test_a_large_file_named_by_its_digest_goes_up_in_parts_and_comes_down_in_pieces(
    s3: bucket.Server, store: ObjectStore, key: str
) -> None:
    store.create(key, [LARGE[:5], memoryview(LARGE)[5:]])
    listing = s3.ask(f"/{bucket.BUCKET}?list-type=2&prefix={store.url.split('/', 3)[3]}")
    assert re.search(rb"<ETag>[^<]*-3\W", listing)  # of three parts
    pieces = [len(piece) for piece in store.fetch(key)]
    assert (pieces, sum(pieces)) == ([PART_BYTES, PART_BYTES, len(LARGE) - 2 * PART_BYTES], len(LARGE))
    opened = store.open(key)
    assert isinstance(opened, mmap.mmap)
    assert bytes(opened) == LARGE


@pytest.mark.parametrize("key", [KEY, "jobs/log"])
def test_a_large_key_that_exists_keeps_its_bytes(store: ObjectStore, key: str) -> None:
    store.create(key, [LARGE])
    with pytest.raises(BlobExists):
        store.create(key, [bytes(len(LARGE))])
    assert store.read(key) == LARGE


@pytest.mark.parametrize("error", [FileNotFoundError("the sender's disk"), KeyboardInterrupt()], ids=repr)
def test_a_large_upload_that_is_cut_leaves_nothing_in_the_bucket(
    s3: bucket.Server, store: ObjectStore, error: BaseException
) -> None:
    seen = []

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(LARGE), 1 << 20):
            yield LARGE[at : at + (1 << 20)]
        seen.extend(store.keys("blobs"))
        raise error

    with pytest.raises(type(error)) as raised:
        store.create(KEY, pieces())
    assert raised.value is error
    assert (seen, list(store.keys("blobs")), s3.unfinished_uploads()) == ([], [], 0)
    store.create(KEY, [LARGE])
    assert bytes(store.open(KEY)) == LARGE


def test_a_large_upload_whose_bucket_is_gone_ends_with_an_error_of_ours(store: ObjectStore) -> None:
    with pytest.raises(StoreUnavailable, match=f"can't create '{KEY}' .* 404 NoSuchBucket"):
        ObjectStore("s3://nowhere").create(KEY, (bytes(1 << 20) for _ in range(40)))


def test_two_prefixes_of_a_bucket_are_two_stores(s3: bucket.Server) -> None:
    one, other = ObjectStore(s3.new()), ObjectStore(s3.new())
    one.create("a/b", [b"1"])
    assert (list(one.keys("a")), list(other.keys("a"))) == (["a/b"], [])
    whole = ObjectStore(f"s3://{bucket.BUCKET}/")
    assert one.url.removeprefix(f"s3://{bucket.BUCKET}/") + "/a/b" in whole.keys("stores")


def test_objects_that_cannot_be_keys_are_passed_over(s3: bucket.Server, store: ObjectStore) -> None:
    store.create("a/b", [b"1"])
    for stray in ("a/UPPER", "a/x-"):
        s3.ask("/" + store.url.removeprefix("s3://") + "/" + stray, method="PUT", data=b"stray")
    assert list(store.keys("a")) == ["a/b"]


def test_a_bucket_that_is_not_there_is_no_key_that_is_not_there(s3: bucket.Server) -> None:
    store = ObjectStore("s3://nowhere/zoo")
    for verb in (lambda: store.read("a"), lambda: list(store.keys("a")), lambda: store.create("a", [b""])):
        with pytest.raises(StoreUnavailable, match=r"'a' in the store s3://nowhere/zoo: it answered 404 NoSuchBucket"):
            verb()


def test_a_store_that_cannot_be_reached_says_what_was_tried_and_no_secret(
    s3: bucket.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        store = ObjectStore("s3://zoo/x")
        with pytest.raises(
            StoreUnavailable, match="can't read 'a' in the store s3://zoo/x: it can't be reached"
        ) as error:
            store.read("a")
    assert "a-secret" not in str(error.value)
    assert isinstance(error.value, OSError)


class Refusing(BaseHTTPRequestHandler):
    """A bucket that refuses everything and, as S3 does, repeats the credentials."""

    def do_GET(self) -> None:
        body = b"<Error><Code>InvalidAccessKeyId</Code><AWSAccessKeyId>an-id</AWSAccessKeyId></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


def test_a_bucket_that_refuses_is_named_without_what_it_says_of_credentials(
    s3: bucket.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(StoreUnavailable) as error:
            ObjectStore("s3://zoo/x").read("a")
        server.shutdown()
    assert str(error.value) == "can't read 'a' in the store s3://zoo/x: it answered 403 InvalidAccessKeyId"
    assert error.value.__suppress_context__


FORKS = """
import os, sys
from learngenes.store.s3 import ObjectStore

store = ObjectStore(sys.argv[1])
store.read("a")
if os.fork() == 0:
    try:
        ObjectStore(sys.argv[1]).read("a")
    except RuntimeError as error:
        os.write(1, str(error).encode())
    os._exit(0)
os.wait()
"""


def test_a_forked_process_is_told_instead_of_waiting_for_ever(store: ObjectStore) -> None:
    store.create("a", [b"1"])
    command = [sys.executable, "-c", FORKS, store.url]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "used an object store and then forked" in said


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///a",
        "s3://key:secret@zoo/a",
        "s3://zoo/../a",
        "s3://zoo/a?x=secret",
        "ftp://zoo/secret",
        "S3://zoo",
    ],
)
def test_a_url_that_names_no_bucket_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidValue, match="a store is a directory, s3://bucket/prefix") as error:
        open_store(url)
    assert "secret" not in str(error.value)


def test_every_provider_is_opened_by_its_url(
    s3: bucket.Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert isinstance(open_store(s3.new()), ObjectStore)
    assert isinstance(open_store("gs://zoo/learngenes"), ObjectStore)
    with pytest.raises(InvalidValue, match=r"az://zoo/learngenes can't be opened .* see AZURE_STORAGE_ACCOUNT_NAME"):
        open_store("az://zoo/learngenes")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "zoo")
    assert isinstance(open_store("az://zoo/learngenes"), ObjectStore)
    for directory in (tmp_path, str(tmp_path), f"file://{tmp_path}"):
        opened = open_store(directory, cache=tmp_path / "cache")
        assert isinstance(opened, LocalStore)
        assert opened.root == tmp_path
    for wrong in ("", "file://elsewhere/a"):
        with pytest.raises(InvalidValue):
            open_store(wrong)


def test_without_obstore_a_bucket_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "learngenes.store.s3")
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(InvalidValue, match=r"s3:// store needs obstore .* pip install 'learngenes\[s3\]'"):
        open_store("s3://zoo")


def test_what_is_not_there_is_named_also_where_it_would_be_large(store: ObjectStore) -> None:
    for verb in (store.open, lambda key: list(store.fetch(key)), store.delete):
        with pytest.raises(BlobNotFound, match=KEY):
            verb(KEY)

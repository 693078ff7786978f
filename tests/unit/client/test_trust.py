"""A service that describes one thing and means another, and a cache that was given such a description."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from learngenes_client import BadAnswer, Client, IntegrityError
from learngenes_client.cache import Cache
from learngenes_client.inventory import State, verify
from learngenes_client.models import document_from
from unit.client import misbehaving as bad
from unit.client.misbehaving import FOLDER, ID, WEIGHTS, Server, document

ZEROS = bytes(len(WEIGHTS))


def with_file(name: str, **more: object) -> dict[str, Any]:
    """The document with one more file."""
    raw: dict[str, Any] = document(WEIGHTS)
    raw["files"].append({"name": name, "bytes": 1, "sha256": None, "url": "/x"} | more)
    return raw


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Client:
    return Client(server.url, cache=tmp_path / "cache", local=False, tries=1)


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "../a", "a/b", "", ".", "..", ".a", "a\0b", "a\n", "é", "a" * 200, "document.json"),
        *("Document.JSON", "model.safetensors.part", "a.part.etag", "model.safetensors.unsettled"),
        *("config.json", "CONFIG.json"),
    ],
)
def test_a_file_can_not_be_named_like_a_path_another_or_one_of_the_caches_own(name: str) -> None:
    with pytest.raises(BadAnswer):
        document_from(with_file(name))


def test_a_document_in_the_cache_can_not_make_verify_remove_what_lies_elsewhere(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("my thesis")
    cache = Cache(tmp_path / "cache")
    folder = cache.open(document_from(document(WEIGHTS)))
    (folder / "document.json").write_text(json.dumps(with_file(str(precious))))
    (finding,) = verify(cache, fix=True)
    assert (finding.path, finding.state) == (folder / "document.json", State.DAMAGED)
    assert precious.read_text() == "my thesis"


@pytest.mark.parametrize("ask", [Client.fetch_descendant, Client.descendant])
def test_a_document_of_another_id_is_a_bad_answer(
    client: Client, server: Server, ask: Callable[[Client, str], Any]
) -> None:
    asked = "b" * 64
    server.other[f"/v1/descendants/{asked}"] = [lambda handler: handler.json(200, server.document)]
    with client, pytest.raises(BadAnswer, match=f"{asked} was asked for, and the service described {ID}"):
        ask(client, asked)
    assert client.cache.document(ID) is None


def test_a_recipe_that_is_not_the_ids_is_found_before_the_weights_are_asked_for(client: Client, server: Server) -> None:
    recipe = b"another descendant's"
    raw = with_file("recipe.json", bytes=len(recipe), sha256=hashlib.sha256(recipe).hexdigest())
    raw["files"][-1]["url"] = f"{FOLDER}/recipe.json"
    server.document = raw
    server.other[f"{FOLDER}/recipe.json"] = [lambda handler: handler.send(200, recipe)]
    with client, pytest.raises(IntegrityError, match=r"recipe\.json: sha256"):
        client.fetch_model(depth=9)
    assert server.ranges == []


def undigested(weights: bytes = WEIGHTS, **more: object) -> dict[str, Any]:
    raw: dict[str, Any] = document(weights) | more
    raw["files"][0]["sha256"] = None
    return raw


def longer() -> dict[str, Any]:
    raw: dict[str, Any] = document(WEIGHTS)
    raw["files"][1]["bytes"] += 1
    return raw


@pytest.mark.parametrize(
    ("second", "text"),
    [
        (document(ZEROS) | {"id": "c" * 64}, "described cccc"),
        (document(WEIGHTS + b"!"), "in two ways"),
        (longer(), "in two ways"),
        (undigested(), "does not say which sha256"),
    ],
    ids=["another id", "other weights", "another config", "no digest still"],
)
def test_what_is_said_of_the_digest_afterwards_has_to_be_of_the_same_files(
    client: Client, server: Server, second: dict[str, Any], text: str
) -> None:
    server.document = undigested()
    server.other[FOLDER] = [lambda handler: handler.json(200, second)]
    with client, pytest.raises(BadAnswer, match=text):
        client.fetch_model(depth=9)
    assert not (client.cache.folder(ID) / "model.safetensors").exists()
    assert server.ranges == []


def test_a_digest_that_comes_afterwards_is_what_the_weights_are_checked_with(client: Client, server: Server) -> None:
    server.document, server.weights = undigested(), ZEROS
    server.other[FOLDER] = [lambda handler: handler.json(200, document(WEIGHTS))] * 2
    with client:
        with pytest.raises(IntegrityError, match="sha256"):
            client.fetch_model(depth=9)
        server.weights = WEIGHTS
        assert client.fetch_model(depth=9).path.read_bytes() == WEIGHTS


@pytest.mark.parametrize(("weights", "measure"), [(ZEROS, "sha256"), (WEIGHTS + b"!", "bytes")])
def test_another_content_of_the_same_id_is_not_taken_for_it(
    client: Client, server: Server, weights: bytes, measure: str
) -> None:
    with client:
        model = client.fetch_model(depth=9)
        server.document = document(weights)
        with pytest.raises(IntegrityError, match=f"safetensors of descendant {ID}: {measure}"):
            client.fetch_model(depth=9)
    assert client.cache.document(ID) == model.document
    assert {finding.state for finding in verify(client.cache)} == {State.WHOLE}


def test_a_small_file_that_a_later_service_writes_in_another_way_comes_again(client: Client, server: Server) -> None:
    with client:
        path = client.fetch_model(depth=9).path.with_name("config.json")
        config = bad.CONFIG.replace(b"vit_tiny", b"vit_huge")  # as long
        later: Any = document(WEIGHTS)
        later["files"][1]["sha256"] = hashlib.sha256(config).hexdigest()
        server.document = later
        server.other[f"{FOLDER}/config.json"] = [lambda handler: handler.send(200, config)]
        client.fetch_model(depth=9)
    assert path.read_bytes() == config
    assert len(server.ranges) == 1

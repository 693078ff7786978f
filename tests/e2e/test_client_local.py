"""Descendants built where the client runs: bit for bit what would be downloaded, with no weights on the wire."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import factories
import pytest
from cases.relay import Relay, relaying
from learngenes_client import AsyncClient, Client, IntegrityError, Model, Offline
from learngenes_client.inventory import ls, prune, verify

from learngenes.store.local import LocalStore

SMALL_BYTES = 60_000


@pytest.fixture(scope="module")
def near(start: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A service with learngenes of both dtypes, and one that completes another."""
    from e2e.conftest import completed

    data = tmp_path_factory.mktemp("near")
    factories.catalog(
        None,
        factories.learngene(),
        factories.learngene(name="half", dtype="F16", labels=tuple(f"class {i}" for i in range(10))),
        wide := factories.learngene(name="wide", stages=(2, 2), image=32, width=128, heads=2),
        completed(*wide),
        store=LocalStore(data / "store"),
    )
    with start(data) as service:
        yield service


@pytest.fixture
def relay(near: Any) -> Iterator[Relay]:
    with relaying(near.url) as relay:
        yield relay


def downloaded(url: str, cache: Path, **asked: Any) -> Model:
    with Client(url, cache=cache, local=False) as client:
        return client.fetch_model(**asked)


@pytest.mark.parametrize(
    "asked",
    [
        {"learngene": "wide", "depth": 9},
        {"learngene": "wide", "depth": 9, "dtype": "bf16"},
        {"learngene": "wide", "depth": 6, "width": 64, "num_classes": 3, "seed": 5},
        {"learngene": "wide", "depth": 12, "width": 64, "dtype": "f16"},
        {"learngene": "completed", "depth": 4, "width": 128},
        {"learngene": "completed", "depth": 4, "width": 128, "dtype": "f16"},
        {"learngene": "half", "depth": 24, "labels": ["class 3", "new"]},
        {"learngene": "half", "depth": 24, "dtype": "f16"},
        {"learngene": "wide", "depth": 6, "img_size": 48, "patch_size": 8, "in_chans": 1},
        {"learngene": "wide", "depth": 5, "keys": "transformers"},
        {"learngene": "wide", "depth": 5, "width": 64, "keys": "transformers", "dtype": "f16"},
    ],
    ids=str,
)
def test_what_is_built_here_is_what_would_be_downloaded(near: Any, tmp_path: Path, asked: dict[str, Any]) -> None:
    with Client(near.url, cache=tmp_path / "built", local=True) as client:
        built = client.fetch_model(**asked)
    fetched = downloaded(near.url, tmp_path / "downloaded", **asked)
    assert built.path.read_bytes() == fetched.path.read_bytes()
    assert built.document.id == fetched.document.id
    assert built.config == fetched.config
    assert [finding.state for finding in verify(client.cache)].count("whole") >= 4 + (asked["learngene"] == "completed")
    assert not [finding for finding in verify(client.cache) if finding.state != "whole"]
    flip(built.path, built.path.stat().st_size - 9)
    (damaged,) = [finding for finding in verify(client.cache) if finding.state != "whole"]
    assert (damaged.path, damaged.reason) == (built.path, "it is not what its recipe makes")


def test_the_learngene_comes_once_and_after_it_no_weights(relay: Relay, tmp_path: Path) -> None:
    with Client(relay.url, cache=tmp_path) as client:
        first = client.fetch_model(learngene="wide", depth=9)
        assert [asked for asked in relay.asked if asked.endswith("safetensors")] == [
            "GET /v1/learngenes/wide@1/learngene.safetensors"
        ]
        for depth in (10, 24):
            relay.forget()
            model = client.fetch_model(learngene="wide", depth=depth)
            assert not any(asked.endswith((".safetensors", "manifest.json")) for asked in relay.asked)
            assert relay.received < SMALL_BYTES < model.path.stat().st_size / 30
        relay.forget()
        assert client.fetch_model(learngene="wide", depth=9) == first
        assert relay.asked == ["POST /v1/plan"]
    kinds = [one.kind for one in ls(client.cache)]
    assert sorted(kinds) == ["descendant", "descendant", "descendant", "learngene"]


def test_a_learngene_larger_than_what_is_asked_is_left_where_it_is_unless_that_is_asked_for(
    relay: Relay, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"learngene": "wide", "depth": 1, "width": 64}
    with Client(relay.url, cache=tmp_path) as client:
        model = client.fetch_model(**asked)
    assert relay.asked[-1] == f"GET /v1/descendants/{model.document.id}/model.safetensors"
    assert model.document.file("model.safetensors").sha256 is not None
    with Client(relay.url, cache=tmp_path / "all", local=True) as client:
        assert client.fetch_model(**asked).path.read_bytes() == model.path.read_bytes()
    assert relay.asked[-1] == "GET /v1/learngenes/wide@1/learngene.safetensors"


def test_the_awaited_client_builds_the_same(near: Any, tmp_path: Path) -> None:
    async def several() -> list[Model]:
        async with AsyncClient(near.url, cache=tmp_path / "built", local=True) as client:
            same = {"learngene": "wide", "depth": 8}
            return await asyncio.gather(*(client.fetch_model(**asked) for asked in (same, same, same | {"depth": 7})))

    first, second, third = asyncio.run(several())
    assert first.path == second.path
    assert first.path.read_bytes() == downloaded(near.url, tmp_path / "d", learngene="wide", depth=8).path.read_bytes()
    assert third.path.read_bytes() == downloaded(near.url, tmp_path / "d", learngene="wide", depth=7).path.read_bytes()


def settled(path: Path) -> None:
    """It is on the disk."""
    for thread in threading.enumerate():
        if thread.name == "settle":
            thread.join()
    assert not path.with_name("model.safetensors.unsettled").exists()


def test_what_was_not_on_the_disk_when_the_machine_started_anew_is_built_again(near: Any, tmp_path: Path) -> None:
    with Client(near.url, cache=tmp_path, local=True) as client:
        model = client.fetch_model(learngene="wide", depth=9)
        settled(model.path)
        whole = model.path.read_bytes()
        model.path.write_bytes(bytes(len(whole)))  # as a file system leaves it that lost power
        model.path.with_name("model.safetensors.unsettled").write_text("another start")
        with Client(near.url, cache=tmp_path, offline=True) as offline, pytest.raises(Offline):
            offline.fetch_model(learngene="wide", depth=9)
        assert client.fetch_model(learngene="wide", depth=9).path.read_bytes() == whole
        settled(model.path)
        model.path.with_name("model.safetensors.unsettled").write_text("another start")
    assert downloaded(near.url, tmp_path, learngene="wide", depth=9).path.read_bytes() == whole
    settled(model.path)


def flip(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


def test_a_flipped_byte_of_the_learngene_in_the_cache_is_found_before_anything_is_built(
    near: Any, relay: Relay, tmp_path: Path
) -> None:
    with Client(relay.url, cache=tmp_path, local=True) as client:
        client.fetch_model(learngene="wide", depth=9)
    (learngene,) = (tmp_path / "learngenes").glob("*/learngene.safetensors")
    whole = learngene.read_bytes()
    flip(learngene, len(whole) // 2)
    with Client(relay.url, cache=tmp_path, local=True) as client:
        with pytest.raises(IntegrityError, match="sha256"):
            client.fetch_model(learngene="wide", depth=10)
        assert not learngene.exists()
        client.fetch_model(learngene="wide", depth=10)
    assert learngene.read_bytes() == whole
    flip(learngene, 3000)
    with Client(relay.url, cache=tmp_path) as client:  # who does not insist gets it downloaded
        model = client.fetch_model(learngene="wide", depth=11)
    assert relay.asked[-1].endswith(f"{model.document.id}/model.safetensors")


def test_a_changed_manifest_in_the_cache_is_fetched_again(near: Any, tmp_path: Path) -> None:
    with Client(near.url, cache=tmp_path, local=True) as client:
        client.fetch_model(learngene="wide", depth=9)
        (manifest,) = (tmp_path / "learngenes").glob("*/manifest.json")
        whole = manifest.read_bytes()
        flip(manifest, 100)
        client.fetch_model(learngene="wide", depth=10)
        assert manifest.read_bytes() == whole


def test_a_build_that_was_killed_or_a_download_that_was_cut_leaves_nothing_wrong(near: Any, tmp_path: Path) -> None:
    fetched = downloaded(near.url, tmp_path / "d", learngene="wide", depth=9)
    folder = tmp_path / "descendants" / fetched.document.id
    folder.mkdir(parents=True)
    (folder / "model.safetensors.part").write_bytes(b"half of a download")
    (folder / "model.safetensors.part.etag").write_text('"some version"')
    with Client(near.url, cache=tmp_path, local=True) as client:
        built = client.fetch_model(learngene="wide", depth=9)
    assert built.path.read_bytes() == fetched.path.read_bytes()
    settled(built.path)
    assert {path.name for path in folder.iterdir()} == {
        "model.safetensors",
        "config.json",
        "document.json",
        "recipe.json",
    }


def test_pruned_things_come_again(near: Any, tmp_path: Path) -> None:
    with Client(near.url, cache=tmp_path, local=True) as client:
        path = client.fetch_model(learngene="wide", depth=9).path
        whole = path.read_bytes()
        assert len(prune(client.cache, everything=True)) == 2
        assert not list((tmp_path / "refs").iterdir())
        assert client.fetch_model(learngene="wide", depth=9).path.read_bytes() == whole


def test_offline_the_cache_answers_what_was_asked_before(near: Any, tmp_path: Path) -> None:
    with Client(near.url, cache=tmp_path) as client:
        model = client.fetch_model(learngene="wide", depth=9)
    with Client(near.url, cache=tmp_path, offline=True) as client:
        again = client.fetch_model(learngene="wide", depth=9)
        assert (again.path, again.document) == (model.path, model.document)
        assert client.fetch_descendant(model.document.id).path == model.path

"""Learngenes pushed, named, taken back and put back by the client and its command line, at a real service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import factories
import pytest
from cases import checkpoints
from learngenes_client import AsyncClient, Client, Forbidden, InvalidArgument, InvalidRequest, ServiceError, Yanked
from learngenes_client.cli import main
from learngenes_service.access.keys import Keys

from learngenes import gene
from learngenes.families.vit import Geometry
from learngenes.store.local import LocalStore

Start = Callable[..., AbstractContextManager[Any]]


@dataclass
class Place:
    url: str
    keys: dict[str, str]


@pytest.fixture(scope="module")
def place(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    data = tmp_path_factory.mktemp("pushed")
    store = LocalStore(data / "store")
    factories.catalog(None, factories.learngene(), store=store)
    made = Keys(store)
    keys = {scope: made.add(scope, scope, at=datetime.now(UTC)) for scope in ("read", "train", "admin")}
    with start(data, settings={"LEARNGENES_ANONYMOUS": "read", "LEARNGENES_UPLOAD_BYTES": "8M"}) as service:
        yield Place(service.url, keys)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "vit.safetensors"
    path.write_bytes(checkpoints.raw())
    return path


def test_a_checkpoint_is_pushed_and_its_own_size_is_the_checkpoint(
    place: Place, checkpoint: Path, tmp_path: Path
) -> None:
    with Client(place.url, key=place.keys["train"], cache=tmp_path / "cache") as client:
        labels = [f"class {number}" for number in range(10)]
        pushed = client.push(checkpoint, name="mine", license="mit", labels=labels, alias="stable")
        assert (pushed.name, pushed.version, pushed.method) == ("mine", "1", "selection")
        model = client.fetch_model(learngene="mine@stable")
        assert model.path.read_bytes() == checkpoint.read_bytes()
        assert model.document.license == "mit"
        assert client.push(checkpoint, name="mine", license="mit", labels=labels, alias="stable").version == "1"


def test_what_is_there_already_can_be_pushed_again(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "vit.safetensors"
    path.write_bytes(checkpoints.raw(Geometry(5, 128, 2, 4, 8, 10, class_token=True, pool="token"), seed=7))
    assert path.stat().st_size > 4_000_000  # more than the connection's buffers: the answer comes before it is sent
    with Client(place.url, key=place.keys["train"], cache=tmp_path) as client:
        assert [client.push(path, name="again").version for _ in range(3)] == ["1", "1", "1"]


def test_a_learngenes_folder_is_pushed_with_all_that_its_manifest_says(place: Place, tmp_path: Path) -> None:
    manifest, raw = factories.learngene(name="elsewhere", version=7, seed=4)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "learngene.safetensors").write_bytes(raw)
    (folder / "manifest.json").write_bytes(gene.to_json(manifest))

    async def push() -> str:
        async with AsyncClient(place.url, key=place.keys["train"], cache=tmp_path) as client:
            pushed = await client.push(folder)
            return f"{pushed.name}@{pushed.version}"

    assert asyncio.run(push()) == "elsewhere@1"
    with Client(place.url, key=place.keys["train"]) as client:
        with pytest.raises(InvalidArgument, match="'license' can't be said beside it"):
            client.push(folder, license="mit")
        with pytest.raises(InvalidArgument, match="holds learngene"):
            client.push(tmp_path)
        with pytest.raises(InvalidArgument, match="under a name"):
            client.push(folder / "learngene.safetensors")
        with pytest.raises(InvalidArgument, match="no file and no folder"):
            client.push(tmp_path / "nowhere", name="nothing")


def test_what_is_no_checkpoint_is_refused_whatever_it_is_called(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\x80\x04 a pickle")
    with Client(place.url, key=place.keys["train"]) as client, pytest.raises(InvalidRequest):
        client.push(path, name="pickled")


def test_what_is_too_large_is_refused_with_both_sizes(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "vit.safetensors"
    path.write_bytes(bytes(50_000_000))
    with Client(place.url, key=place.keys["train"]) as client, pytest.raises(ServiceError, match="50000000") as refused:
        client.push(path, name="huge")
    assert (refused.value.status, refused.value.code) == (413, "too-large")


def test_who_may_only_read_pushes_nothing(place: Place, checkpoint: Path) -> None:
    with Client(place.url, key=place.keys["read"]) as client, pytest.raises(Forbidden) as refused:
        client.push(checkpoint, name="theirs")
    assert refused.value.scope == "train"


def test_a_version_that_was_taken_back_is_had_by_who_insists_until_it_is_put_back(place: Place, tmp_path: Path) -> None:
    first, second = (tmp_path / f"{seed}.safetensors" for seed in (1, 2))
    for seed, path in ((1, first), (2, second)):
        path.write_bytes(checkpoints.raw(seed=seed))
    with Client(place.url, key=place.keys["admin"], cache=tmp_path / "cache", local=False) as client:
        assert [client.push(path, name="ours").version for path in (first, second)] == ["1", "2"]
        assert client.alias("ours", "stable", 1) == "ours@1"
        assert client.yank("ours@2", "its labels were shuffled").yanked == "its labels were shuffled"
        assert client.fetch_model(learngene="ours").path.read_bytes() == first.read_bytes()
        for local in (False, True):
            with Client(place.url, cache=tmp_path / f"cache-{local}", local=local) as other:
                with pytest.raises(Yanked, match="labels were shuffled") as refused:
                    other.fetch_model(learngene="ours@2")
                assert refused.value.reason == "its labels were shuffled"
                model = other.fetch_model(learngene="ours@2", allow_yanked=True)
                assert model.path.read_bytes() == second.read_bytes()
                assert other.descendant(model.document.id, allow_yanked=True).id == model.document.id
        assert client.unyank("ours@2").yanked is None
        assert client.fetch_model(learngene="ours@2").path.read_bytes() == second.read_bytes()


def test_the_command_line_does_the_same(
    place: Place, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("LEARNGENES_URL", place.url)
    monkeypatch.setenv("LEARNGENES_KEY", place.keys["admin"])
    monkeypatch.setenv("LEARNGENES_CACHE", str(tmp_path / "cache"))

    def say(*words: str) -> Any:
        assert main(words) == 0
        return json.loads(capsys.readouterr().out)

    pushed = say("push", str(checkpoint), "--name", "shell", "--mean", "0.1,0.2,0.3", "--std", "1,1,1", "--json")
    assert (pushed["reference"], pushed["normalization"]["mean"]) == ("shell@1", [0.1, 0.2, 0.3])
    assert say("alias", "shell", "best", "1", "--json") == {"alias": "shell@best", "reference": "shell@1"}
    assert say("yank", "shell@1", "--reason", "too small", "--json")["yanked"]["reason"] == "too small"
    assert main(["fetch", "--learngene", "shell@1"]) == 1
    assert "too small" in capsys.readouterr().err
    assert main(["fetch", "--learngene", "shell@1", "--allow-yanked"]) == 0
    assert main(["learngenes", "shell@1"]) == 0
    assert "taken back: too small" in capsys.readouterr().out
    assert say("unyank", "shell@1", "--json").get("yanked") is None
    assert main(["yank", "shell", "--reason", "x"]) == 2
    assert main(["alias", "shell@1", "best", "1"]) == 2
    assert main(["alias", "shell", "7", "1"]) == 2
    with pytest.raises(SystemExit):
        main(["yank", "shell@1"])

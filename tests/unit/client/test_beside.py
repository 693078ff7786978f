"""One process brings, another prunes or mends the same cache at the same time."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from learngenes_client import AsyncClient, CantBuild, Client, inventory
from learngenes_client.cache import Cache, files
from learngenes_client.flows import download, local, turns
from learngenes_client.inventory import Finding, State, ls, prune, verify
from unit.client import misbehaving as bad
from unit.client.misbehaving import FOLDER, ID, WEIGHTS, Handler, Server
from unit.client.test_building import Honest, honest

__all__ = ["honest"]


def waiting(url: str, cache: Path) -> bytes:
    with Client(url, cache=cache, local=False, tries=1) as client:
        return client.fetch_model(depth=9).path.read_bytes()


def awaiting(url: str, cache: Path) -> bytes:
    async def go() -> bytes:
        async with AsyncClient(url, cache=cache, local=False, tries=1) as client:
            return (await client.fetch_model(depth=9)).path.read_bytes()

    return asyncio.run(go())


@pytest.mark.parametrize("fetch", [waiting, awaiting])
def test_what_is_pruned_between_its_description_and_its_files_is_brought_all_the_same(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fetch: Callable[[str, Path], bytes]
) -> None:
    left = [1, 1]
    take = turns.try_lock

    def pruned_before(path: Path) -> object:
        if left:
            left.pop()
            prune(Cache(tmp_path), everything=True)
        return take(path)

    monkeypatch.setattr(turns, "try_lock", pruned_before)
    assert fetch(server.url, tmp_path) == WEIGHTS
    assert left == [] and {one.state for one in verify(Cache(tmp_path))} == {State.WHOLE}


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("fetch", [waiting, awaiting])
def test_what_is_being_brought_is_not_pruned_from_its_first_file_on(
    server: Server, tmp_path: Path, fetch: Callable[[str, Path], bytes], file: str
) -> None:
    removed: list[object] = []

    def act(handler: Handler) -> None:
        removed.extend(prune(Cache(tmp_path), everything=True))
        handler.send(200, bad.CONFIG if file == "config.json" else WEIGHTS)

    server.other[f"{FOLDER}/{file}"] = [act]
    assert fetch(server.url, tmp_path) == WEIGHTS
    assert removed == []
    assert len(prune(Cache(tmp_path), everything=True)) == 1


def test_a_learngene_is_not_pruned_while_it_is_built_from(
    honest: Honest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[object] = []
    build = local.building.build

    def pruned_before(*arguments: object, **named: object) -> None:
        removed.extend(prune(Cache(tmp_path), everything=True))
        build(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(local.building, "build", pruned_before)
    with Client(honest.server.url, cache=tmp_path, local=True, tries=1) as client:
        client.fetch_model(depth=9)
    assert removed == []
    assert len(prune(Cache(tmp_path), everything=True)) == 2


def test_what_is_mended_meanwhile_is_not_removed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = inventory._verify
    with Client(server.url, cache=tmp_path, local=False) as client:
        path = client.fetch_model(depth=9).path
        path.write_bytes(WEIGHTS[:-1])

        def mended_after(*arguments: object) -> Iterator[Finding]:
            yield from look(*arguments)  # type: ignore[arg-type]
            client.fetch_model(depth=9)

        monkeypatch.setattr(inventory, "_verify", mended_after)
        findings = verify(client.cache, fix=True)
    assert {finding.state for finding in findings} == {State.WHOLE}
    assert path.read_bytes() == WEIGHTS
    assert {one.name for one in path.parent.iterdir()} == {"model.safetensors", "config.json", "document.json"}


def test_what_is_damaged_stays_while_another_is_at_it(server: Server, tmp_path: Path) -> None:
    with Client(server.url, cache=tmp_path, local=False) as client:
        path = client.fetch_model(depth=9).path
    path.write_bytes(WEIGHTS[:-1])
    with files.part_of(path).open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        (damaged,) = [finding for finding in verify(client.cache, fix=True) if finding.state is State.DAMAGED]
    assert path.exists() and not damaged.removed and "another process is at it" in damaged.reason
    (damaged,) = [finding for finding in verify(client.cache, fix=True) if finding.state is State.DAMAGED]
    assert damaged.removed and not path.exists()


@pytest.mark.parametrize(
    "raw", [b"not json", b"[]", b"{}", b'{"weights": 5}', b'{"weights": {"bytes": "x"}}', b"[" * 9999]
)
def test_a_manifest_that_can_not_be_read_is_damage_and_no_crash(tmp_path: Path, raw: bytes) -> None:
    cache = Cache(tmp_path)
    cache.open_learngene(hashlib.sha256(raw).hexdigest(), raw)
    assert [finding.state for finding in verify(cache, fix=True)][-1] is State.DAMAGED
    assert not list(tmp_path.rglob("manifest.json"))


def test_a_manifest_that_this_library_can_not_read_is_not_kept(
    honest: Honest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(raw: bytes) -> object:
        raise CantBuild("from another time")

    monkeypatch.setattr(local.building, "read_manifest", unreadable)
    with (
        Client(honest.server.url, cache=tmp_path, local=True) as client,
        pytest.raises(CantBuild, match="another time"),
    ):
        client.fetch_model(depth=9)
    assert {one.kind for one in ls(client.cache)} == {inventory.Kind.DESCENDANT}


def test_the_loops_own_thread_neither_writes_nor_locks(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[threading.Thread] = []
    append, take, look = download.Part.append, turns.try_lock, Cache.document

    def appending(part: download.Part, piece: bytes) -> None:
        seen.append(threading.current_thread())
        append(part, piece)

    def taking(path: Path) -> object:
        seen.append(threading.current_thread())
        return take(path)

    def looking(cache: Cache, id: str) -> object:
        seen.append(threading.current_thread())
        return look(cache, id)

    monkeypatch.setattr(download.Part, "append", appending)
    monkeypatch.setattr(turns, "try_lock", taking)
    monkeypatch.setattr(Cache, "document", looking)
    assert awaiting(server.url, tmp_path) == WEIGHTS
    assert len(seen) > 3 and threading.main_thread() not in seen


def test_half_written_refs_of_a_killed_process_go_when_they_are_old(tmp_path: Path) -> None:
    refs = tmp_path / "refs"
    refs.mkdir()
    old, new = refs / f".{ID}.json.ab.part", refs / ".x.json.cd.part"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    prune(Cache(tmp_path), everything=True)
    assert (old.exists(), new.exists()) == (False, True)

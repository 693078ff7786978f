"""Building where the client runs, from a server that lies about what is needed for it, or with a library that can't."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import factories
import pytest
from learngenes_client import CantBuild, Client, IntegrityError, MissingPackage, Model, building
from learngenes_client.cache import files
from unit.client import misbehaving as bad
from unit.client.misbehaving import Act, Handler, Server

from learngenes import formulas, gene, recipe
from learngenes.initialize import Request
from learngenes.ready import planned
from learngenes.stream import stream

MANIFEST, RAW = factories.learngene(width=64)
CATALOG = factories.catalog(None, (MANIFEST, RAW))
RECIPE, _ = planned(CATALOG, MANIFEST, Request(depth=9))
FILE = CATALOG.assemble(RECIPE, MANIFEST)
WEIGHTS = b"".join(stream(FILE))


@dataclass
class Honest:
    """A server that has all that is needed; what a test puts into `server.other` is answered instead."""

    server: Server

    @property
    def folder(self) -> str:
        return f"/v1/descendants/{FILE.id}"

    @property
    def learngene(self) -> str:
        return f"/v1/learngenes/{MANIFEST.reference}"

    def lie(self, path: str, *acts: Act) -> None:
        self.server.other[path] = list(acts)


def sending(raw: bytes) -> Act:
    def act(handler: Handler) -> None:
        start = handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-")
        etag = f'"{hashlib.sha256(raw).hexdigest()}"'
        if int(start):
            span = f"bytes {start}-{len(raw) - 1}/{len(raw)}"
            handler.send(206, raw[int(start) :], ETag=etag, Content_Range=span)
        else:
            handler.send(200, raw, ETag=etag)

    return act


def file(name: str, raw: bytes, *, sha256: str | None = "") -> dict[str, object]:
    digest = hashlib.sha256(raw).hexdigest() if sha256 == "" else sha256
    return {"name": name, "bytes": len(raw), "sha256": digest, "url": f"/v1/descendants/{FILE.id}/{name}"}


@pytest.fixture
def honest(server: Server) -> Iterator[Honest]:
    place = Honest(server)
    files = [file("model.safetensors", WEIGHTS, sha256=None), file("config.json", bad.CONFIG)]
    files.append(file("recipe.json", recipe.to_json(RECIPE)))
    about = bad.document(WEIGHTS) | {"id": FILE.id, "learngene": MANIFEST.reference, "files": files}
    server.initialize = lambda handler: handler.json(200, about)
    known = about | {"files": [file("model.safetensors", WEIGHTS), *files[1:]]}
    for path, act in {
        f"{place.folder}/config.json": sending(bad.CONFIG),
        f"{place.folder}/recipe.json": sending(recipe.to_json(RECIPE)),
        f"{place.folder}/model.safetensors": sending(WEIGHTS),
        f"{place.learngene}/manifest.json": sending(gene.to_json(MANIFEST)),
        f"{place.learngene}/learngene.safetensors": sending(RAW),
        place.folder: lambda handler: handler.json(200, known),
    }.items():
        server.other[path] = [act] * 9
    yield place


def fetch(honest: Honest, cache: Path, *, local: bool | None = None) -> Model:
    with Client(honest.server.url, cache=cache, local=local, tries=1) as client:
        return client.fetch_model(depth=9)


def downloaded(honest: Honest) -> bool:
    return any(seen.path.endswith("/model.safetensors") for seen in honest.server.seen)


def test_an_honest_server_sends_no_weights(honest: Honest, tmp_path: Path) -> None:
    assert fetch(honest, tmp_path, local=True).path.read_bytes() == WEIGHTS
    assert not downloaded(honest)


def test_the_learngene_is_gone_on_with_where_it_was_cut(honest: Honest, tmp_path: Path) -> None:
    def cut(handler: Handler) -> None:
        handler.send(200, RAW[:1000], length=len(RAW), ETag=f'"{hashlib.sha256(RAW).hexdigest()}"')

    path = f"{honest.learngene}/learngene.safetensors"
    honest.lie(path, cut, sending(RAW))
    assert fetch(honest, tmp_path, local=True).path.read_bytes() == WEIGHTS
    assert [seen.headers.get("range") for seen in honest.server.asked(path)] == [None, "bytes=1000-"]


FLIPPED = {
    "recipe.json": recipe.to_json(replace(RECIPE, layer_map=(0,) * 9)),
    "manifest.json": gene.to_json(replace(MANIFEST, description="another")),
    "learngene.safetensors": RAW[:-1] + bytes([RAW[-1] ^ 1]),
}


@pytest.mark.parametrize("name", FLIPPED)
def test_what_is_not_of_its_digest_is_an_integrity_error_and_nothing_of_it_is_kept(
    honest: Honest, tmp_path: Path, name: str
) -> None:
    path = f"{honest.folder if name == 'recipe.json' else honest.learngene}/{name}"
    honest.lie(path, sending(FLIPPED[name]))
    with pytest.raises(IntegrityError, match=name):
        fetch(honest, tmp_path, local=True)
    assert not [path for path in tmp_path.rglob("*") if path.name in FLIPPED and path.read_bytes() == FLIPPED[name]]


@pytest.mark.parametrize("name", FLIPPED)
def test_who_does_not_insist_gets_it_downloaded(honest: Honest, tmp_path: Path, name: str) -> None:
    path = f"{honest.folder if name == 'recipe.json' else honest.learngene}/{name}"
    honest.lie(path, sending(FLIPPED[name]))
    model = fetch(honest, tmp_path)
    assert downloaded(honest)
    assert model.path.read_bytes() == WEIGHTS
    assert model.document.file("model.safetensors").sha256 == hashlib.sha256(WEIGHTS).hexdigest()


@pytest.mark.parametrize("name", ["recipe.json", "manifest.json"])
def test_a_service_that_does_not_have_it_is_downloaded_from(honest: Honest, tmp_path: Path, name: str) -> None:
    path = f"{honest.folder if name == 'recipe.json' else honest.learngene}/{name}"
    honest.lie(path, *[bad.problem(404, "not-found")] * 2)
    with pytest.raises(CantBuild, match=name):
        fetch(honest, tmp_path / "insists", local=True)
    assert fetch(honest, tmp_path).path.read_bytes() == WEIGHTS


def test_a_library_with_other_formulas_does_not_build(
    honest: Honest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formulas, "VERSION", formulas.VERSION + 1)
    with pytest.raises(CantBuild, match="needs formulas"):
        fetch(honest, tmp_path / "insists", local=True)
    assert fetch(honest, tmp_path).path.read_bytes() == WEIGHTS
    assert downloaded(honest)


def test_a_recipe_of_another_time_is_downloaded(honest: Honest, tmp_path: Path) -> None:
    raw = b'{"format": 99}'
    id = hashlib.sha256(raw).hexdigest()
    about = bad.document(WEIGHTS) | {"id": id, "files": [file("config.json", bad.CONFIG)]}
    about["files"] += [file("recipe.json", raw), file("model.safetensors", WEIGHTS)]  # type: ignore[operator]
    honest.server.initialize = lambda handler: handler.json(200, about)
    honest.lie(f"{honest.folder}/recipe.json", *[sending(raw)] * 2)
    with pytest.raises(CantBuild, match="can't read the recipe"):
        fetch(honest, tmp_path / "insists", local=True)
    assert fetch(honest, tmp_path).path.read_bytes() == WEIGHTS


def test_without_the_library_it_is_downloaded_or_the_pip_command_told(
    honest: Honest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "learngenes", None)
    with pytest.raises(MissingPackage, match=r"pip install 'learngenes-client\[local\]'"):
        fetch(honest, tmp_path, local=True)
    honest.server.initialize = lambda handler: handler.json(
        200,
        bad.document(WEIGHTS)
        | {"id": FILE.id, "files": [file("model.safetensors", WEIGHTS), file("config.json", bad.CONFIG)]},
    )
    assert fetch(honest, tmp_path).path.read_bytes() == WEIGHTS
    assert honest.server.seen[0].path == "/initialize"


def test_a_full_disk_is_said_and_leaves_nothing(
    honest: Honest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        fetch(honest, tmp_path, local=True)
    folder = tmp_path / "descendants" / FILE.id
    assert not [path for path in folder.iterdir() if path.name.startswith("model.safetensors.part")]
    monkeypatch.undo()
    assert fetch(honest, tmp_path, local=True).path.read_bytes() == WEIGHTS


def test_where_the_system_does_not_name_its_start_the_disk_is_waited_for(
    honest: Honest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, int]] = []
    sync, give_name = os.fsync, Path.replace

    def syncing(opened: int) -> None:
        done.append(("synced", os.fstat(opened).st_ino))
        sync(opened)

    def naming(path: Path, target: Path) -> Path:
        done.append((f"named {target.name}", path.stat().st_ino))
        return give_name(path, target)

    monkeypatch.setattr(files, "BOOT", tmp_path / "nowhere")
    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(Path, "replace", naming)
    model = fetch(honest, tmp_path, local=True)
    inode = model.path.stat().st_ino
    assert model.path.read_bytes() == WEIGHTS
    assert [what for what, of in done if of == inode] == ["synced", "named model.safetensors"]
    assert done[done.index(("named model.safetensors", inode)) + 1] == ("synced", model.path.parent.stat().st_ino)
    assert not [thread for thread in threading.enumerate() if thread.name == "settle"]


def test_threads_that_want_the_same_build_it_once(
    honest: Honest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[object] = []
    build = building.build

    def counted(plan: building.Plan, *arguments: Any, **named: Any) -> None:
        built.append(plan)
        build(plan, *arguments, **named)

    monkeypatch.setattr(building, "build", counted)
    with Client(honest.server.url, cache=tmp_path, local=True, tries=1) as client, ThreadPoolExecutor(4) as threads:
        models = list(threads.map(lambda depth: client.fetch_model(depth=depth), [9] * 4))
    assert {model.path.read_bytes() for model in models} == {WEIGHTS}
    assert len(honest.server.asked(f"{honest.learngene}/learngene.safetensors")) == 1
    assert len(built) == 1

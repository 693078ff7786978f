from __future__ import annotations

import json
from pathlib import Path

import pytest
from learngenes_client.cache import Cache, cache_root, copy_whole, holds, write_whole
from learngenes_client.errors import InvalidArgument
from learngenes_client.models import RemoteFile, document_from
from unit.client.misbehaving import ID, WEIGHTS, document

DOCUMENT = document_from(document(WEIGHTS))


def test_the_argument_comes_before_the_environment_before_the_systems_place(tmp_path: Path) -> None:
    environment = {"LEARNGENES_CACHE": str(tmp_path / "environment")}
    assert cache_root(tmp_path / "argument", environment) == tmp_path / "argument"
    assert cache_root(None, environment) == tmp_path / "environment"
    assert cache_root(None, {}).name == cache_root(None, {"LEARNGENES_CACHE": ""}).name == "learngenes"


def test_a_root_is_absolute_so_a_model_outlives_a_change_of_folder() -> None:
    assert cache_root("here", {}) == Path.cwd() / "here"
    assert cache_root("~/there", {}) == Path.home() / "there"


def test_open_makes_the_layout_that_the_docstring_draws(tmp_path: Path) -> None:
    folder = Cache(tmp_path / "new").open(DOCUMENT)
    assert folder == tmp_path / "new" / "descendants" / ID
    assert json.loads((folder / "document.json").read_text()) == DOCUMENT.raw
    tag = (tmp_path / "new" / "CACHEDIR.TAG").read_text()
    assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
    assert {path.name for path in folder.iterdir()} == {"document.json"}


def test_opening_twice_is_opening_once(tmp_path: Path) -> None:
    assert Cache(tmp_path).open(DOCUMENT) == Cache(tmp_path).open(DOCUMENT)


@pytest.mark.parametrize("id", ["", ".", "..", "../" * 21 + "a", ID.upper(), ID[:-1], ID + "/..", ID[:-1] + "\n"])
def test_an_id_that_is_not_a_digest_never_reaches_a_path(tmp_path: Path, id: str) -> None:
    with pytest.raises(InvalidArgument, match="64 lower-case"):
        Cache(tmp_path).folder(id)


def test_only_a_file_of_the_promised_length_is_held(tmp_path: Path) -> None:
    file = RemoteFile("f", 3, None, "/f")
    assert not holds(tmp_path / "f", file)
    (tmp_path / "f").write_bytes(b"abc")
    assert holds(tmp_path / "f", file)
    (tmp_path / "f").write_bytes(b"ab")
    assert not holds(tmp_path / "f", file)
    (tmp_path / "g").mkdir()
    assert not holds(tmp_path / "g", file)


def test_a_copy_replaces_what_was_there_and_leaves_the_source_alone(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"new")
    (tmp_path / "target").write_bytes(b"old and longer")
    copy_whole(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"new"
    assert not (tmp_path / "source").samefile(tmp_path / "target")
    assert {path.name for path in tmp_path.iterdir()} == {"source", "target"}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        write_whole(tmp_path / "folder", b"a file can't replace a folder")
    with pytest.raises(FileNotFoundError):
        copy_whole(tmp_path / "missing", tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]

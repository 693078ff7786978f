"""What is in a cache: listed, verified, pruned."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from pathlib import Path

import pytest
from learngenes_client.cache import Cache, write_whole
from learngenes_client.errors import InvalidArgument
from learngenes_client.inventory import ls, prune, verify
from learngenes_client.models import Document, document_from
from unit.client.misbehaving import CONFIG, WEIGHTS, document

LEARNGENE = b"tensors"
MANIFEST = json.dumps(
    {"name": "wide", "version": 2, "weights": {"bytes": 7, "sha256": hashlib.sha256(LEARNGENE).hexdigest()}}
).encode()
DIGEST = hashlib.sha256(MANIFEST).hexdigest()
NOW = 1_700_000_000


def described(number: int) -> Document:
    return document_from(document(WEIGHTS) | {"id": f"{number:064x}"})


def filled(root: Path) -> Cache:
    """Descendants 1 and 2, used an hour and a day ago, and a learngene that was used a week ago."""
    cache = Cache(root)
    for number, hours in ((1, 1), (2, 24)):
        folder = cache.open(described(number))
        (folder / "model.safetensors").write_bytes(WEIGHTS)
        (folder / "config.json").write_bytes(CONFIG)
        os.utime(folder / "document.json", (NOW - hours * 3600,) * 2)
        cache.refer("http://there", {"depth": number}, described(number))
    folder = cache.open_learngene(DIGEST, MANIFEST)
    (folder / "learngene.safetensors").write_bytes(LEARNGENE)
    os.utime(folder / "manifest.json", (NOW - 7 * 86400,) * 2)
    return cache


def numbers(kept: tuple[object, ...]) -> list[str]:
    return [one.id[-1] if one.kind == "descendant" else one.kind for one in kept]  # type: ignore[attr-defined]


def test_an_empty_cache_holds_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "nowhere")
    assert (ls(cache), verify(cache), prune(cache, everything=True)) == ((), (), ())
    assert not cache.root.exists()


def test_everything_is_listed_used_last_first(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    (cache.folder("2".zfill(64)) / "model.safetensors.part").write_bytes(b"abc")
    first, second, third = ls(cache)
    assert (first.kind, first.name) == ("descendant", "starter@1 depth 9 width 384 f32")
    assert (third.kind, third.id, third.name) == ("learngene", DIGEST, "wide@2")
    assert second.bytes == first.bytes + 3 > len(WEIGHTS)
    assert [one.used for one in (first, second, third)] == [NOW - 3600, NOW - 86400, NOW - 7 * 86400]


def test_using_a_descendant_makes_it_the_one_used_last(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    assert cache.whole("2".zfill(64)) == described(2)
    assert numbers(ls(cache)) == ["2", "1", "learngene"]


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("damage", [lambda raw: bytes([raw[0] ^ 1]) + raw[1:], lambda raw: raw[:-1], lambda raw: b""])
def test_any_damage_is_found_named_and_removed_on_demand(tmp_path: Path, file: str, damage: object) -> None:
    cache = filled(tmp_path)
    assert {finding.state for finding in verify(cache)} == {"whole"}
    path = cache.folder("1".zfill(64)) / file
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    (damaged,) = [finding for finding in verify(cache) if finding.state != "whole"]
    assert (damaged.path, damaged.state) == (path, "damaged")
    assert "should be" in damaged.reason
    assert path.exists()
    verify(cache, fix=True)
    assert not path.exists()
    assert {finding.state for finding in verify(cache)} == {"whole"}
    assert cache.whole("1".zfill(64)) is None


def test_a_damaged_learngene_manifest_or_document_is_found(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    (cache.learngene(DIGEST) / "learngene.safetensors").write_bytes(b"tensorz")
    (cache.folder("1".zfill(64)) / "document.json").write_bytes(b"[]")
    found = {finding.path.name for finding in verify(cache, fix=True) if finding.state == "damaged"}
    assert found == {"learngene.safetensors", "document.json"}
    (cache.learngene(DIGEST) / "manifest.json").write_bytes(MANIFEST + b" ")
    assert [finding.state for finding in verify(cache) if finding.path.name == "manifest.json"] == ["damaged"]


def test_what_no_digest_is_known_of_is_said_to_be_unknown(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    folder = cache.open(described(1).with_sha256("model.safetensors", None))
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    assert [finding.state for finding in verify(cache)] == ["unknown"]


def test_a_digest_that_was_known_is_not_forgotten(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.open(described(1))
    cache.open(described(1).with_sha256("model.safetensors", None))
    assert cache.document("1".zfill(64)) == described(1)


def test_pruning_by_age_takes_what_was_not_used_for_so_long(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    assert numbers(prune(cache, unused_seconds=2 * 3600, now=NOW)) == ["learngene", "2"]
    assert numbers(ls(cache)) == ["1"]
    assert cache.referred("http://there", {"depth": 2}) is None
    ref = cache.referred("http://there", {"depth": 1})
    assert ref is not None and ref.id == "1".zfill(64)


def test_pruning_by_size_takes_what_was_used_longest_ago(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    total = sum(one.bytes for one in ls(cache))
    assert prune(cache, max_bytes=total) == ()
    assert numbers(prune(cache, max_bytes=total - 1)) == ["learngene"]
    assert numbers(prune(cache, max_bytes=0)) == ["2", "1"]


def test_what_another_process_is_at_stays(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    with (cache.folder("1".zfill(64)) / "model.safetensors.part").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert numbers(prune(cache, everything=True)) == ["learngene", "2"]
    assert numbers(prune(cache, everything=True)) == ["1"]
    assert (tmp_path / "CACHEDIR.TAG").exists()


def test_pruning_needs_to_be_told_what_goes(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="unused_seconds"):
        prune(Cache(tmp_path))


def test_what_is_no_ref_is_no_answer(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    for junk in (b"", b"[]", b"{}", b'{"id": "../..", "learngene": "a@1"}'):
        for path in (tmp_path / "refs").iterdir():
            write_whole(path, junk)
        assert cache.referred("http://there", {"depth": 1}) is None

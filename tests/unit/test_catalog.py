from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import factories
import pytest

from learngenes import gene, recipe
from learngenes.catalog import Catalog
from learngenes.errors import (
    BadManifest,
    BlobExists,
    BlobNotFound,
    CorruptLearngene,
    InvalidKey,
    LearngeneNotFound,
    LearngenesError,
    UnknownName,
)
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.store.local import LocalStore
from learngenes.tensorfile import TensorFile


def tiny(version: int = 1, *, name: str = "tiny", seed: int = 0) -> tuple[Manifest, bytes]:
    return factories.learngene(stages=(1, 1), width=8, name=name, version=version, seed=seed)


def blob_keys(catalog: Catalog) -> list[str]:
    return list(catalog.store.keys("blobs"))


def test_what_is_published_is_listed_found_and_opened() -> None:
    manifest, raw = tiny()
    catalog = factories.catalog(None, (manifest, raw))
    assert (catalog.names(), catalog.versions("tiny")) == (["tiny"], [1])
    assert catalog.get("tiny") == catalog.get("tiny@1") == manifest
    assert bytes(catalog.open(manifest).view) == raw


def test_the_newest_version_is_the_highest_number() -> None:
    catalog = factories.catalog(None, *(tiny(version, seed=version) for version in (2, 10, 9)))
    assert catalog.versions("tiny") == [2, 9, 10]
    assert catalog.get("tiny").version == 10
    assert catalog.get("tiny@9").version == 9


def test_names_are_sorted() -> None:
    catalog = factories.catalog(None, tiny(name="b"), tiny(name="a.b"), tiny(name="a"), tiny(2, name="a"))
    assert catalog.names() == ["a", "a.b", "b"]
    assert catalog.versions("c") == []


@pytest.mark.parametrize("reference", ["tinny", "tiny@3", "tiny@01", "tiny@x", "tiny@-1", "tiny@1@1", "tiny@²"])
def test_what_is_not_there_names_what_is(reference: str) -> None:
    catalog = factories.catalog(None, tiny(), tiny(2))
    way = "its versions are 1, 2" if "@" in reference else "did you mean 'tiny'"
    with pytest.raises(LearngeneNotFound, match=f"no learngene '{reference}' here; {way}") as error:
        catalog.get(reference)
    assert error.value.known == ("tiny",)


def test_an_empty_catalog_says_so() -> None:
    with pytest.raises(LearngeneNotFound, match="none are known"):
        factories.catalog(None).get("tiny")


@pytest.mark.parametrize("reference", ["", "@1", "../tiny", "Tiny", "a/b@1", "tiny\0"])
def test_a_reference_that_cannot_be_is_refused(reference: str) -> None:
    with pytest.raises(InvalidKey):
        factories.catalog(None, tiny()).get(reference)


def test_a_learngene_is_not_listed_before_it_is_whole() -> None:
    manifest, raw = tiny()
    catalog = factories.catalog(None)

    def pieces() -> Iterator[bytes]:
        yield raw[:100]
        assert catalog.names() == []
        yield raw[100:]

    catalog.publish(manifest, pieces())
    assert catalog.names() == ["tiny"]


def test_pieces_that_fail_leave_nothing() -> None:
    manifest, raw = tiny()
    catalog = factories.catalog(None)

    def pieces() -> Iterator[bytes]:
        yield raw[:100]
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        catalog.publish(manifest, pieces())
    assert (catalog.names(), blob_keys(catalog)) == ([], [])


@pytest.mark.parametrize("wrong", [b"", b"x", slice(None, -1), slice(8, None)], ids=str)
def test_a_file_that_is_not_the_manifests_is_refused_and_leaves_nothing(wrong: bytes | slice) -> None:
    manifest, raw = tiny()
    catalog = factories.catalog(None)
    with pytest.raises(BadManifest, match=f"the manifest says .* and {len(raw)}"):
        catalog.publish(manifest, [raw[wrong] if isinstance(wrong, slice) else wrong])
    assert (catalog.names(), blob_keys(catalog)) == ([], [])


@pytest.mark.parametrize("what", ["a tensor left out", "no tensor file", "a blob that has rotted"])
def test_a_manifest_whose_file_does_not_keep_its_promises_is_never_listed(what: str) -> None:
    manifest, raw = tiny()
    catalog = factories.catalog(None)
    if what == "a tensor left out":
        fewer = {name: tensor for name, tensor in manifest.weights.tensors.items() if name != "head.bias"}
        manifest = replace(manifest, weights=replace(manifest.weights, tensors=fewer))
    if what == "no tensor file":
        raw = b"no tensor file"
        manifest = replace(manifest, weights=gene.Weights(hashlib.sha256(raw).hexdigest(), len(raw), {}))
    if what == "a blob that has rotted":
        catalog.store.create(f"blobs/sha256/{manifest.weights.sha256}", [raw[:-1] + bytes([raw[-1] ^ 1])])
    with pytest.raises(LearngenesError):
        catalog.publish(manifest, [raw])
    assert catalog.names() == []


def test_publishing_the_same_again_is_no_error_and_another_under_its_name_is() -> None:
    catalog = factories.catalog(None, tiny(), tiny())
    with pytest.raises(BlobExists, match=r"'learngenes/tiny/1\.json' is already in the store"):
        catalog.publish(tiny(seed=1)[0], [tiny(seed=1)[1]])
    assert catalog.get("tiny") == tiny()[0]
    assert Catalog(catalog.store).get("tiny") == tiny()[0]


def test_a_blob_that_rotted_after_publishing_is_never_opened(tmp_path: Path) -> None:
    manifest, raw = tiny()
    factories.catalog(None, (manifest, raw), store=LocalStore(tmp_path))
    blob = tmp_path / "blobs" / "sha256" / manifest.weights.sha256
    blob.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    catalog = Catalog(LocalStore(tmp_path))
    for dtype in (None, "F16"):
        with pytest.raises(CorruptLearngene, match="learngene tiny@1: tensor"):
            catalog.open(catalog.get("tiny"), dtype)


def test_a_blob_that_is_gone_is_named() -> None:
    catalog = factories.catalog(None, tiny())
    catalog.store.delete(blob_keys(catalog)[0])
    with pytest.raises(BlobNotFound, match=tiny()[0].weights.sha256):
        Catalog(catalog.store).open(tiny()[0])


def test_an_opened_file_and_its_conversion_are_shared() -> None:
    catalog = factories.catalog(None, tiny())
    manifest = catalog.get("tiny")
    assert catalog.open(manifest) is catalog.open(manifest, "F32")
    assert catalog.open(manifest, "BF16") is catalog.open(manifest, "BF16")
    assert {tensor.dtype for tensor in catalog.open(manifest, "BF16").tensors.values()} == {"BF16"}


def test_a_conversion_is_written_once_and_found_again_by_the_next_process(tmp_path: Path) -> None:
    catalog = factories.catalog(tmp_path, tiny())
    catalog.open(catalog.get("tiny"), "F16")
    (variant,) = tmp_path.glob("*-f16-*")
    before = variant.stat()
    again = Catalog(catalog.store, variants=tmp_path)
    opened = again.open(again.get("tiny"), "F16")
    assert os.path.samestat(before, variant.stat())
    assert bytes(opened.view) == variant.read_bytes()


def test_conversions_may_be_thrown_away_at_any_time(tmp_path: Path) -> None:
    catalog = factories.catalog(tmp_path, tiny())
    first = catalog.open(catalog.get("tiny"), "F16")
    next(tmp_path.glob("*-f16-*")).unlink()
    again = Catalog(catalog.store, variants=tmp_path)
    assert bytes(first.view) == bytes(again.open(again.get("tiny"), "F16").view)


def test_conversions_leave_where_they_would_take_too_much_disk(tmp_path: Path) -> None:
    store = factories.catalog(None, *(tiny(name=name, seed=seed) for seed, name in enumerate("abc"))).store
    size = len(factories.learngene(stages=(1, 1), width=8, dtype="F16")[1])
    catalog = Catalog(store, variants=tmp_path, variants_bytes=2 * size)
    opened = [catalog.open(catalog.get(name), "F16") for name in "abc"]
    assert len(list(tmp_path.glob("*-f16-*"))) == 2
    again = Catalog(store, variants=tmp_path, variants_bytes=0)
    for name, file in zip("abc", opened, strict=True):
        assert bytes(again.open(again.get(name), "F16").view) == bytes(file.view)
    assert len(list(tmp_path.glob("*-f16-*"))) == 1


def test_a_conversion_that_another_process_deleted_at_once_is_written_again(tmp_path: Path) -> None:
    catalog = factories.catalog(tmp_path, *(tiny(name=name, seed=seed) for seed, name in enumerate("abcd")))
    wanted = {name: bytes(catalog.open(catalog.get(name), "F16").view) for name in "abcd"}

    def convert(name: str) -> bool:
        """Again and again, where there is room for one conversion alone: each deletes the others'."""
        others = [Catalog(catalog.store, variants=tmp_path, variants_bytes=0) for _ in range(20)]
        return all(bytes(one.open(one.get(name), "F16").view) == wanted[name] for one in others)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(convert, "abcd"))


def test_one_that_could_not_be_opened_leaves_nothing_behind_and_is_opened_once_it_can_be(tmp_path: Path) -> None:
    store = factories.catalog(None, tiny(), store=LocalStore(tmp_path)).store
    catalog = Catalog(store)
    (blob,) = (tmp_path / "blobs" / "sha256").iterdir()
    hidden = blob.rename(tmp_path / "hidden")
    with pytest.raises(BlobNotFound):
        catalog.open(catalog.get("tiny"))
    hidden.rename(blob)
    assert catalog.open(catalog.get("tiny")).tensors


def test_files_opened_long_ago_are_closed_and_stay_valid_for_those_who_read_them() -> None:
    store = factories.catalog(None, *(tiny(name=name, seed=seed) for seed, name in enumerate("abc"))).store
    catalog = Catalog(store, open_bytes=2 * len(tiny()[1]))
    a, b, c = (catalog.open(catalog.get(name)) for name in "abc")
    assert catalog.open(catalog.get("c")) is c
    assert catalog.open(catalog.get("b")) is b
    again = catalog.open(catalog.get("a"))
    assert again is not a
    assert bytes(again.view) == bytes(a.view)


def test_an_unknown_dtype_is_refused() -> None:
    catalog = factories.catalog(None, tiny())
    with pytest.raises(UnknownName, match="did you mean 'F16'"):
        catalog.open(catalog.get("tiny"), "F17")


def test_copying_brings_over_what_is_missing_and_nothing_else() -> None:
    source = factories.catalog(None, tiny(), tiny(2, seed=2), tiny(name="other"))
    target = factories.catalog(None, tiny(seed=9))
    for _ in range(2):
        assert target.copy_from(source) == ["tiny@1"]
        assert (target.names(), target.versions("tiny")) == (["other", "tiny"], [1, 2])
    assert target.get("tiny@1") == tiny(seed=9)[0]
    assert bytes(target.open(target.get("tiny@2")).view) == tiny(2, seed=2)[1]


def test_a_recipe_is_kept_under_its_digest_and_recalled() -> None:
    catalog = factories.catalog(None, tiny())
    made = initialize(catalog.get("tiny"), Request(depth=5))
    assert catalog.keep(made) == catalog.keep(made) == recipe.digest(made)
    assert catalog.recall(recipe.digest(made)) == made
    with pytest.raises(BlobNotFound):
        catalog.recall("0" * 64)


def test_the_manifest_of_a_recipe_is_the_one_it_was_made_from() -> None:
    catalog = factories.catalog(None, tiny())
    made = initialize(catalog.get("tiny"), Request())
    assert catalog.manifest_of(made) == catalog.get("tiny")
    other = factories.catalog(None, tiny(seed=1))
    expected = f"made from manifest {made.manifest[:12]} of tiny@1, this catalog has {other.get('tiny').digest[:12]}"
    with pytest.raises(CorruptLearngene, match=expected):
        other.manifest_of(made)


def test_two_learngenes_of_the_same_bytes_share_one_file() -> None:
    catalog = factories.catalog(None, tiny(), tiny(2), tiny(name="other"))
    assert len(blob_keys(catalog)) == 1
    assert isinstance(catalog.open(catalog.get("other")), TensorFile)

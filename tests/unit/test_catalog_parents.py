"""A learngene that completes another: its parent is found, checked, read behind it, and it is found by size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import factories
import numpy as np
import pytest

from learngenes import gene, tensorfile
from learngenes.catalog import Catalog
from learngenes.errors import CorruptLearngene, LearngeneNotFound
from learngenes.gene import Manifest, Parent, Quality
from learngenes.initialize import Request, initialize
from learngenes.sizes import Size
from learngenes.stream import stream
from learngenes.tensorfile import TensorFile

SIZE = Size(2, 8)


MEASURED = Quality(2, 8, "digits", "test", "top1", 0.5, 360, 0, 0, "a command")


def parent(version: int = 1, *, dtype: str = "F32") -> tuple[Manifest, bytes]:
    return factories.learngene(stages=(1, 1), width=8, version=version, dtype=dtype)


def child(of: Manifest, *, version: int = 1, size: Size = SIZE, **tensors: Any) -> tuple[Manifest, bytes]:
    """A learngene that stores a norm of its own and is its parent in all else."""
    values = tensors or {"norm.weight": np.full(8, 2.0 + version, np.float32)}
    raw = b"".join(tensorfile.write(values, "F32"))
    manifest = replace(
        of,
        name=gene.fitted_name(of.name, size),
        version=version,
        weights=gene.weigh(TensorFile(raw)),
        parent=Parent(of.reference, of.digest),
    )
    return manifest, raw


def made(catalog: Catalog, manifest: Manifest, **request: Any) -> TensorFile:
    return TensorFile(b"".join(stream(catalog.assemble(initialize(manifest, Request(**request)), manifest))))


def test_a_descendant_is_assembled_over_a_child_and_its_parent(tmp_path: Path) -> None:
    own, raw = parent()
    fitted, more = child(own)
    catalog = factories.catalog(tmp_path, (own, raw), (fitted, more))
    for dtype in ("f32", "f16", "bf16"):
        one, other = made(catalog, own, dtype=dtype), made(catalog, fitted, dtype=dtype)
        differing = {name for name in one.tensors if bytes(one.raw(name)) != bytes(other.raw(name))}
        assert differing == {"norm.weight"}
        np.testing.assert_array_equal(other.array("norm.weight"), np.full(8, 3.0))


def test_a_child_and_its_parent_may_be_stored_in_different_dtypes() -> None:
    own, raw = parent(dtype="BF16")
    fitted, more = child(own)
    catalog = factories.catalog(None, (own, raw), (fitted, more))
    np.testing.assert_array_equal(made(catalog, fitted).array("norm.weight"), np.full(8, 3.0))
    np.testing.assert_array_equal(
        made(catalog, fitted).array("blocks.0.attn.qkv.weight"), TensorFile(raw).array("stages.0.attn.qkv.weight")
    )


def test_a_learngene_of_its_own_has_no_parent() -> None:
    own, raw = parent()
    catalog = factories.catalog(None, (own, raw))
    assert catalog.parent_of(own) is None and catalog.fitted(own, SIZE) is None
    assert catalog.tensors(own) is catalog.open(own)


def test_the_parent_is_the_version_that_the_child_names() -> None:
    first, second = parent(1), parent(2)
    fitted = child(first[0])
    catalog = factories.catalog(None, first, second, fitted)
    assert catalog.parent_of(fitted[0]) == first[0]


def test_a_parent_that_says_something_else_is_refused_with_both_digests() -> None:
    own, raw = parent()
    fitted, more = child(own)
    other = replace(own, description="changed")
    catalog = factories.catalog(None, (other, raw), (fitted, more))
    sentence = f"was fitted to manifest {own.digest[:12]} of tiny@1, this catalog has {other.digest[:12]}"
    with pytest.raises(CorruptLearngene, match=sentence):
        made(catalog, fitted)


def test_a_parent_that_is_not_there_is_named() -> None:
    fitted = child(parent()[0])
    catalog = factories.catalog(None, fitted)
    with pytest.raises(LearngeneNotFound, match="no learngene 'tiny@1' here"):
        made(catalog, fitted[0])


def test_the_newest_fit_of_a_size_is_found_by_parent_and_size() -> None:
    own, raw = parent()
    first, second, larger = child(own), child(own, version=2), child(own, size=Size(4, 8))
    catalog = factories.catalog(None, (own, raw), first, second, larger)
    assert catalog.fitted(own, SIZE) == second[0]
    assert catalog.fitted(own, Size(4, 8)) == larger[0]
    assert catalog.fitted(own, Size(3, 8)) is None


def test_a_fit_of_a_version_with_other_tensors_is_not_its_own() -> None:
    first, second = parent(1), factories.learngene(stages=(1, 1), width=8, version=2, seed=1)
    fitted = child(first[0])
    catalog = factories.catalog(None, first, second, fitted)
    assert catalog.fitted(first[0], SIZE) == fitted[0]
    assert catalog.fitted(second[0], SIZE) is None


def test_a_manifest_with_a_parent_survives_json_and_one_without_says_nothing_of_it() -> None:
    own = parent()[0]
    fitted = child(own)[0]
    assert gene.from_json(gene.to_json(fitted)) == fitted
    assert b"parent" in gene.to_json(fitted) and b"parent" not in gene.to_json(own)

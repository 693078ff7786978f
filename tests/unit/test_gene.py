from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from functools import cache
from typing import Any

import factories
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learngenes import gene
from learngenes.errors import BadManifest, BadTensorFile, CorruptLearngene, InvalidKey, InvalidValue
from learngenes.gene import Manifest, Normalization, Quality
from learngenes.store import check_key, check_name
from learngenes.tensorfile import TensorFile

JUNK = [None, True, -1, 1.5, 1e308, 10**400, "", "x", "../x", "\ud800", [], [-4], {}, {"a": [None]}]
MEASURED = Quality(6, 32, "digits", "test", "top1", 0.5, 100, 0, 1, "learngenes evaluate")


@cache
def tiny() -> tuple[Manifest, bytes]:
    return factories.learngene(stages=(1, 1), width=8, classes=3, labels=("ä", "b", "c"))


def test_a_manifest_survives_json() -> None:
    manifest = replace(
        tiny()[0],
        quality=(MEASURED, replace(MEASURED, depth=12)),
        ancestor={"architecture": "vit", "accuracy": 0.25, "runs": [1, 2], "note": None},
        training={"epochs": 3},
        description="from “digits”",
    )
    assert gene.from_json(gene.to_json(manifest)) == manifest


def test_the_json_is_canonical() -> None:
    raw = gene.to_json(tiny()[0])
    assert raw == json.dumps(json.loads(raw), sort_keys=True, indent=2, ensure_ascii=False).encode() + b"\n"


def test_the_digest_is_the_sha256_of_the_json() -> None:
    assert tiny()[0].digest == hashlib.sha256(gene.to_json(tiny()[0])).hexdigest()


def test_every_json_one_change_away_is_refused_or_survives() -> None:
    manifest = replace(tiny()[0], quality=(MEASURED,))
    small = replace(manifest.weights, tensors={"head.bias": manifest.weights.tensors["head.bias"]})
    accepted = 0
    for document in factories.mutations(json.loads(gene.to_json(replace(manifest, weights=small))), JUNK):
        try:
            made = gene.from_json(json.dumps(document).encode())
        except BadManifest:
            continue
        accepted += 1
        assert gene.from_json(gene.to_json(made)) == made, document
        assert len(made.digest) == 64
    assert accepted > 0


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xff", b"[]", b"{}", b'{"schema":1}', b'{"schema":2}', b"[" * 100_000, b"9" * 5_000, b"\xef\xbb\xbf{}"],
    ids=repr,
)
def test_what_is_no_manifest_is_refused(raw: bytes) -> None:
    with pytest.raises(BadManifest):
        gene.from_json(raw)


@pytest.mark.parametrize("field", ["crop_pct", "mlp_ratio", "norm_eps"])
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_are_refused(field: str, number: str) -> None:
    document = json.loads(gene.to_json(tiny()[0]))
    table = document["normalization"] if field == "crop_pct" else document["geometry"]
    table[field] = float(number)
    with pytest.raises(BadManifest):
        gene.from_json(json.dumps(document).encode())


def test_an_unknown_key_names_the_nearest() -> None:
    raw = gene.to_json(tiny()[0]).replace(b'"license"', b'"licence"')
    with pytest.raises(BadManifest, match="did you mean 'license'"):
        gene.from_json(raw)


BROKEN = {
    "versions count from 1, got 0": {"version": 0},
    "2 labels for a head of 3 classes": {"labels": ("a", "b")},
    "normalization needs 3 means and standard deviations": {"normalization": Normalization((0.5,), (0.5,))},
    "'abc' is not a sha256": {"weights": gene.Weights("abc", 1, {})},
}


NORMAL = Normalization((0.5,) * 3, (0.5,) * 3)
WRONG: list[tuple[Any, dict[str, Any]]] = [
    *((NORMAL, {"crop_pct": value}) for value in (0.0, 1e-310, 0.009, 1.01, math.nan)),
    *((NORMAL, {"mean": (value, 0.5, 0.5)}) for value in (1e308, -1e4, math.nan, math.inf)),
    *((NORMAL, {"std": (value, 0.5, 0.5)}) for value in (0.0, -1.0, 1e308, 1e-300, math.nan)),
    *((MEASURED, {"n": value}) for value in (0, -1, 10**400, 10**5000)),
    *((MEASURED, {"value": value}) for value in (-0.1, 1.01, 1e308, math.nan)),
    *((MEASURED, {"depth": value}) for value in (0, -3)),
    *((MEASURED, {"seed": value}) for value in (-(10**400), 10**400)),
    (MEASURED, {"epochs_after": -1}),
    (MEASURED, {"metric": "latency_ms", "value": math.inf}),
]


@pytest.mark.parametrize(("value", "change"), WRONG, ids=[f"{next(iter(c))}-{n}" for n, (_, c) in enumerate(WRONG)])
def test_a_number_that_nobody_could_use_cannot_exist(value: Any, change: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        replace(value, **change)


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_manifest_that_contradicts_itself_cannot_exist(sentence: str) -> None:
    with pytest.raises(BadManifest, match=sentence):
        replace(tiny()[0], **BROKEN[sentence])  # type: ignore[arg-type]


def test_a_manifest_is_called_by_name_and_version() -> None:
    assert replace(tiny()[0], version=12).reference == "tiny@12"


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_the_dtype_is_that_of_the_tensors(dtype: str) -> None:
    assert factories.learngene(stages=(1,), width=8, dtype=dtype)[0].dtype == dtype


def test_tensors_of_two_dtypes_count_as_float32() -> None:
    manifest, _ = tiny()
    one = {"head.bias": replace(manifest.weights.tensors["head.bias"], dtype="F16")}
    mixed = replace(manifest.weights, tensors=manifest.weights.tensors | one)
    assert replace(manifest, weights=mixed).dtype == "F32"


def test_a_file_as_promised_is_verified() -> None:
    manifest, raw = tiny()
    gene.verify(manifest, TensorFile(raw))
    assert gene.weigh(TensorFile(raw)) == manifest.weights
    assert manifest.weights.sha256 == hashlib.sha256(raw).hexdigest()


@given(st.data())
def test_any_flipped_byte_is_found_and_its_tensor_named(data: st.DataObject) -> None:
    manifest, raw = tiny()
    tensors = TensorFile(raw).tensors
    at = data.draw(st.integers(0, len(raw) - 1))
    flipped = bytearray(raw)
    flipped[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((CorruptLearngene, BadTensorFile)) as error:
        gene.verify(manifest, TensorFile(bytes(flipped)))
    for name, tensor in tensors.items():
        if tensor.start <= at < tensor.stop:
            assert f"learngene tiny@1: tensor {name!r} is" in str(error.value)


def test_a_tensor_too_many_or_too_few_is_named() -> None:
    manifest, raw = tiny()
    fewer = dict(manifest.weights.tensors)
    promised = fewer.pop("head.bias")
    short = replace(manifest, weights=replace(manifest.weights, tensors=fewer))
    with pytest.raises(CorruptLearngene, match=r"tensor 'head.bias' is in the file but not in the manifest"):
        gene.verify(short, TensorFile(raw))
    more = manifest.weights.tensors | {"extra": promised}
    long = replace(manifest, weights=replace(manifest.weights, tensors=more))
    with pytest.raises(CorruptLearngene, match=r"tensor 'extra' is in the manifest but not in the file"):
        gene.verify(long, TensorFile(raw))


def test_the_same_tensors_in_another_file_are_another_learngene() -> None:
    manifest, raw = tiny()
    length = int.from_bytes(raw[:8], "little")
    padded = (length + 8).to_bytes(8, "little") + raw[8 : 8 + length] + b" " * 8 + raw[8 + length :]
    with pytest.raises(CorruptLearngene, match=f"and {len(raw) + 8} bytes, the manifest says .* and {len(raw)}"):
        gene.verify(manifest, TensorFile(padded))


@pytest.mark.parametrize("name", ["a", "0", "tiny", "sws-deit_small.v2", "x" * 64])
def test_a_name_is_itself(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "A", "ä", "-a", "a-", ".a", "a.", "_a", "a..b", "a--b", "a/b", "a b", "a\n", "a\0", "a@1", "x" * 65]
)
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(InvalidKey, match="can't name a learngene"):
        check_name(name)


@given(st.text(alphabet="ab0.-_/@A \0", max_size=12))
def test_every_name_makes_a_store_key_and_a_reference_that_splits(name: str) -> None:
    try:
        check_name(name)
    except InvalidKey:
        return
    assert check_key(f"learngenes/{name}/1").split("/") == ["learngenes", name, "1"]
    assert f"{name}@7".partition("@") == (name, "@", "7")

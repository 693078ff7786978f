"""What is published of an uploaded file, and what is refused of it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import factories
import httpx
import numpy as np
import pytest
from cases import checkpoints, subcloning
from cases.checkpoints import AVERAGED, PLAIN, sha256
from cases.publishing import RAW, code, push, put

from learngenes import gene, tensorfile
from learngenes.gene import Manifest, Normalization, Parent, Quality
from learngenes.sizes import Size, SizeSpace, Steps
from learngenes.tensorfile import TensorFile


def test_a_checkpoint_becomes_a_learngene_whose_descendant_is_the_checkpoint(train: httpx.Client) -> None:
    first, again = put(train, RAW), put(train, RAW)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() == {"sha256": sha256(RAW), "bytes": len(RAW)}
    made = push(
        train,
        name="whole",
        license="mit",
        labels=[f"digit {i}" for i in range(10)],
        mean=[0.1, 0.2, 0.3],
        std=[1, 1, 1],
    )
    assert (made.status_code, made.headers["location"]) == (201, "/v1/learngenes/whole@1")
    table = made.json()
    assert (table["reference"], table["method"], table["license"], table["yanked"]) == (
        "whole@1",
        "selection",
        "mit",
        None,
    )
    assert table["geometry"] == {
        "depth": 3, "width": 64, "heads": 1, "patch": 4, "image": 8, "classes": 10, "channels": 3, "mlp_ratio": 4.0,
        "class_token": True, "pool": "token", "norm": "before-pool", "norm_eps": 1e-06, "qkv_bias": True,
    }  # fmt: skip
    assert table["ancestor"]["source"] == f"upload, sha256 {sha256(RAW)}"
    assert train.get("/v1/learngenes/whole").json()["digest"] == table["digest"]
    built = train.post("/initialize", json={"learngene": "whole"})
    assert built.content == RAW
    config = train.get(built.headers["content-location"].replace("model.safetensors", "config.json")).json()
    assert config["pretrained_cfg"]["label_names"][3] == "digit 3"
    assert config["pretrained_cfg"]["mean"] == [0.1, 0.2, 0.3]
    smaller = train.post("/initialize", json={"learngene": "whole", "depth": 2, "num_classes": 3})
    assert smaller.status_code == 200


def test_any_file_order_and_other_methods_are_taken(train: httpx.Client) -> None:
    tensors = checkpoints.values(AVERAGED)
    foreign = checkpoints.shuffled(tensors)
    assert code(push(train, foreign, name="foreign"))[1] == "invalid-value"  # width 32 says nothing of heads
    made = push(train, foreign, name="foreign", heads=2)
    assert made.status_code == 201, made.text
    built = TensorFile(train.post("/initialize", json={"learngene": "foreign"}).content)
    assert all((built.array(name) == value).all() for name, value in tensors.items())
    last = push(train, foreign, name="last", heads=2, method="vanilla_lg", options={"blocks": 1})
    assert (last.json()["method_facts"], last.json()["method"]) == ({"first": 1}, "vanilla_lg")
    assert last.json()["bytes"] < len(foreign)
    assert train.post("/initialize", json={"learngene": "last", "depth": 4}).status_code == 200


def test_a_method_that_learns_says_where_it_is_done(train: httpx.Client) -> None:
    refused = push(train, name="sub", method="subcloning")
    assert code(refused) == (422, "invalid-value")
    assert "learngenes import FILE --method subcloning" in refused.json()["detail"]
    assert code(push(train, name="sub", method="tleg"))[1] == "invalid-value"
    assert code(push(train, name="sub", method="selektion"))[1] == "unknown-name"


def test_what_does_not_fit_is_named_with_both_shapes(train: httpx.Client) -> None:
    tensors = checkpoints.values(PLAIN)
    tensors["blocks.1.mlp.fc1.bias"] = tensors["blocks.1.mlp.fc1.bias"][:100]
    refused = push(train, checkpoints.shuffled(tensors), name="odd")
    assert code(refused) == (422, "invalid-value")
    assert "'blocks.1.mlp.fc1.bias' has shape (100,) in the file and (256,)" in refused.json()["detail"]
    scaled = checkpoints.values(PLAIN) | {"blocks.0.ls1.gamma": tensors["norm.bias"]}
    assert "(LayerScale)" in push(train, checkpoints.shuffled(scaled), name="odd").json()["detail"]
    assert train.get("/v1/learngenes/odd").status_code == 404


def test_a_learngene_of_another_store_is_published_with_its_own_manifest(
    train: httpx.Client, admin: httpx.Client
) -> None:
    manifest, raw = factories.learngene(name="travelled", version=7, seed=3)
    put(train, raw)
    made = train.post("/v1/learngenes", json={"manifest": json.loads(gene.to_json(manifest))})
    assert made.status_code == 201, made.text
    assert (made.json()["reference"], made.json()["method_facts"]) == ("travelled@1", {"stages": [2, 2, 2]})
    assert train.get("/v1/learngenes/travelled/learngene.safetensors").content == raw
    assert train.get("/v1/learngenes/travelled/manifest.json").content == gene.to_json(replace(manifest, version=1))
    put(train, raw)
    again = train.post("/v1/learngenes", json={"manifest": json.loads(gene.to_json(replace(manifest, version=8)))})
    assert (again.status_code, again.json()["version"]) == (200, 1)


def fitted(name: str, size: Size, *, parent: Manifest, **more: Any) -> tuple[Manifest, bytes]:
    """What its method would have fitted: here nothing but another head."""
    head = {"fitted.head.bias": np.full(parent.geometry.classes, 7, np.float32)}
    raw = b"".join(tensorfile.write(head, "F32"))
    child = replace(
        parent,
        name=name,
        space=SizeSpace(Steps(size.depth, size.depth), Steps(size.width, size.width)),
        varies=tuple(what for what in parent.varies if what not in ("depth", "width")),
        weights=gene.weigh(TensorFile(raw)),
        parent=Parent(parent.reference, parent.digest),
    )
    return replace(child, **more), raw


def publish(by: httpx.Client, manifest: Manifest, raw: bytes) -> httpx.Response:
    put(by, raw)
    return by.post("/v1/learngenes", json={"manifest": json.loads(gene.to_json(manifest))})


def test_what_was_fitted_follows_its_parent_and_answers_for_its_size_alone(
    train: httpx.Client, admin: httpx.Client
) -> None:
    manifest, raw = subcloning.make(name="family")
    geometry = manifest.geometry
    size = Size(geometry.depth, geometry.width)
    child, own = fitted(gene.fitted_name("family", size), size, parent=manifest)
    orphan = publish(admin, child, own)
    assert code(orphan) == (422, "bad-manifest")
    assert "completes family@1, which is not here: push that first" in orphan.json()["detail"]
    assert publish(admin, manifest, raw).status_code == 201
    plain = train.post("/initialize", json={"learngene": "family"}).content
    # Who may not replace what family answers can't do it by a child either.
    refused = publish(train, child, own)
    assert code(refused) == (403, "forbidden")
    assert "answers for a size of another one" in refused.json()["detail"]
    other = Size(geometry.depth - 1, geometry.width)
    wrong: list[dict[str, Any]] = [
        {"name": gene.fitted_name("family", other)},
        {"name": "another"},
        {"space": manifest.space},
        {"geometry": replace(geometry, norm_eps=0.5)},
        {"normalization": Normalization((0.1,) * 3, (0.1,) * 3)},
        {"labels": tuple("abcdefghijklmnop"[: geometry.classes])},
        {"method": "wave", "method_facts": {}},
    ]
    for change in wrong:
        assert code(publish(admin, replace(child, **change), own)) == (422, "bad-manifest"), change
    assert train.post("/initialize", json={"learngene": "family"}).content == plain
    made = publish(admin, child, own)
    assert made.status_code == 201, made.text
    # Taking the parent back takes the child back.
    assert admin.put("/v1/learngenes/family@1/yank", json={"reason": "trained on the test set"}).status_code == 200
    assert code(admin.post("/initialize", json={"learngene": child.reference})) == (410, "yanked")


def test_a_job_is_only_known_by_what_it_or_an_admin_published(train: httpx.Client, admin: httpx.Client) -> None:
    for by, name, kept in ((train, "job-by-train", {"epochs": 3}), (admin, "job-by-admin", {"epochs": 3, "job": "7"})):
        manifest, raw = factories.learngene(name=name, seed=6)
        made = publish(by, replace(manifest, training={"epochs": 3, "job": "7"}), raw)
        assert (made.status_code, made.json()["training"]) == (201, kept)


@pytest.mark.parametrize(
    "place",
    [
        ("normalization", "crop_pct", 0),
        ("normalization", "crop_pct", 1e-310),
        ("normalization", "mean", [1e308] * 3),
        ("normalization", "std", [0] * 3),
        ("quality", "n", 10**400),
        ("quality", "n", 0),
        ("quality", "value", 1e308),
        ("quality", "depth", -1),
        ("quality", "dataset", "two\nlines"),
        ("labels", None, ["two\nlines"] * 10),
        ("varies", None, ["everything", '"><script>']),
        ("family", None, "stitched"),
        ("license", None, "mit\r\nX-Evil: 1"),
        ("quality", "seed", 10**5000),
    ],
    ids=lambda place: f"{place[0]} {place[1]} {str(place[2])[:12] if place[1] != 'seed' else 'long'}",
)
def test_a_manifest_that_would_break_lists_or_files_is_refused(
    train: httpx.Client, place: tuple[str, str | None, Any]
) -> None:
    manifest, raw = factories.learngene(name="poison", seed=7)
    quality = Quality(6, 32, "digits", "test", "top1", 0.5, 100, 0, 0, "by hand")
    table = json.loads(gene.to_json(replace(manifest, quality=(quality,))))
    group, field, value = place
    if field is None:
        table[group] = value
    elif group == "quality":
        table[group][0][field] = value
    else:
        table[group][field] = value
    put(train, raw)
    sys.set_int_max_str_digits(0)
    try:
        body = json.dumps({"manifest": table})
    finally:
        sys.set_int_max_str_digits(4300)
    refused = train.post("/v1/learngenes", content=body, headers={"content-type": "application/json"})
    assert refused.status_code == 422, refused.text
    assert train.get("/v1/learngenes/poison").status_code == 404


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400", "-1e400", "1" + "0" * 5000])
@pytest.mark.parametrize("field", ["mean", "std", "crop_pct", "heads"])
def test_a_number_that_is_none_is_refused(train: httpx.Client, field: str, number: str) -> None:
    put(train, RAW)
    value = f"[{number}, 1, 1]" if field in ("mean", "std") else number
    other = '"std": [1, 1, 1]' if field == "mean" else '"mean": [1, 1, 1]'
    body = f'{{"name": "nan", "sha256": "{sha256(RAW)}", "{field}": {value}, {other}}}'
    refused = train.post("/v1/learngenes", content=body, headers={"content-type": "application/json"})
    assert refused.status_code == 422, refused.text


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"method": "sewing"}, "bad-manifest"),
        ({"method_version": 99}, "bad-manifest"),
        ({"method": "selection", "method_facts": {}}, "bad-recipe"),
        ({"method_facts": {}}, "bad-manifest"),
        ({"schema": 2}, "bad-manifest"),
        ({"name": "../up"}, "bad-manifest"),
        ({"name": "jobs"}, "invalid-key"),
        ({"labels": ["one"]}, "bad-manifest"),
        ({"surprise": 1}, "bad-manifest"),
    ],
)
def test_a_manifest_that_does_not_describe_its_file_is_refused(
    train: httpx.Client, change: dict[str, Any], found: str
) -> None:
    manifest, raw = factories.learngene(name="liar", seed=5)
    put(train, raw)
    table = json.loads(gene.to_json(manifest)) | change
    refused = train.post("/v1/learngenes", json={"manifest": table})
    assert code(refused) == (422, found), refused.text
    assert "can't be served" not in refused.json()["detail"]
    table = json.loads(gene.to_json(manifest))
    table["weights"]["tensors"]["norm.weight"]["sha256"] = "0" * 64
    assert code(train.post("/v1/learngenes", json={"manifest": table})) == (422, "corrupt-learngene")


def test_a_file_that_is_not_there_and_bodies_that_make_no_sense_are_told_apart(train: httpx.Client) -> None:
    def post(**body: Any) -> tuple[int, str]:
        return code(train.post("/v1/learngenes", json=body))

    assert post(name="none", sha256="3" * 64) == (422, "invalid-value")
    assert post(name="none") == (422, "invalid-request")
    assert post(name="none", sha256="x") == (422, "invalid-request")
    assert post(name="none", sha256=sha256(RAW), nmae="x") == (422, "invalid-request")
    assert post(name="No", sha256=sha256(RAW)) == (422, "invalid-key")
    assert post(manifest={}) == (422, "bad-manifest")
    assert post(manifest={}, name="x") == (422, "invalid-request")
    assert code(train.post("/v1/learngenes", content=b"{}")) == (415, "unsupported-media-type")
    large = train.post("/v1/learngenes", content=b" " * (5 << 20), headers={"content-type": "application/json"})
    assert code(large) == (413, "too-large")
    put(train, RAW)
    assert code(push(train, name="labels", labels=["one"])) == (422, "bad-manifest")
    assert code(push(train, name="means", mean=[0.5], std=[0.5])) == (422, "bad-manifest")

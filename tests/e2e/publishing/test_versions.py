"""Versions of learngenes that are pushed: numbered, named, private, taken back, signed."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import factories
import httpx
import pytest
from cases import checkpoints
from cases.checkpoints import AVERAGED, sha256
from cases.publishing import RAW, Start, client, code, push, put
from learngenes_service.access.keys import Keys

from learngenes import gene, signing
from learngenes.store.local import LocalStore


def test_the_same_again_is_the_version_that_is_there_also_for_who_may_not_replace_it(train: httpx.Client) -> None:
    raw = checkpoints.raw(seed=1)
    made = push(train, raw, name="again")
    assert made.status_code == 201
    same = train.post("/v1/learngenes", json={"name": "again", "sha256": sha256(raw)})
    assert (same.status_code, same.headers["content-location"]) == (200, "/v1/learngenes/again@1")
    assert same.json() == made.json()
    spelt_out = push(train, raw, name="again", method="selection", crop_pct=0.9)
    assert (spelt_out.status_code, spelt_out.json()["version"]) == (200, 1)


def test_a_name_that_exists_gets_a_new_version_from_scope_admin_alone(train: httpx.Client, admin: httpx.Client) -> None:
    assert push(train, name="mine").status_code == 201
    other = checkpoints.raw(seed=2)
    refused = push(train, other, name="mine")
    assert code(refused) == (403, "forbidden")
    assert "replaces mine@1" in refused.json()["detail"]
    made = push(admin, other, name="mine", alias="best")
    assert (made.status_code, made.json()["reference"], made.json()["aliases"]) == (201, "mine@2", {"best": 2})
    assert [row["version"] for row in made.json()["versions"]] == [1, 2]
    assert train.post("/initialize", json={"learngene": "mine@1"}).content == RAW


def test_of_racing_pushes_each_gets_a_version_of_its_own(admin: httpx.Client, service: Any, keys: Any) -> None:
    raws = [checkpoints.raw(AVERAGED, seed=seed) for seed in range(20, 26)]
    for raw in raws:
        put(admin, raw)

    def one(raw: bytes) -> httpx.Response:
        with client(service, keys[1]["admin"]) as own:
            return own.post("/v1/learngenes", json={"name": "raced", "heads": 2, "sha256": sha256(raw)})

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(one, raws))
    assert [answer.status_code for answer in answers] == [201] * 6
    assert sorted(answer.json()["version"] for answer in answers) == [1, 2, 3, 4, 5, 6]
    for raw, answer in zip(raws, answers, strict=True):
        assert admin.post("/initialize", json={"learngene": answer.json()["reference"]}).content == raw
    with ThreadPoolExecutor(6) as threads:
        same = list(threads.map(lambda _: push(admin, name="once"), range(6)))
    assert {answer.json()["reference"] for answer in same} == {"once@1"}


def test_of_who_may_not_replace_only_the_first_gets_a_new_name(train: httpx.Client, service: Any, keys: Any) -> None:
    raws = [checkpoints.raw(AVERAGED, seed=seed) for seed in range(30, 34)]
    for raw in raws:
        put(train, raw)

    def one(raw: bytes) -> int:
        with client(service, keys[1]["train"]) as own:
            return own.post("/v1/learngenes", json={"name": "first", "heads": 2, "sha256": sha256(raw)}).status_code

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(one, raws)) == [201, 403, 403, 403]


def test_what_is_private_is_never_seen_and_what_is_public_is_not_hidden(
    train: httpx.Client, admin: httpx.Client, service: Any
) -> None:
    made = push(train, checkpoints.raw(seed=40), name="hidden", private=True)
    assert (made.status_code, made.headers["cache-control"]) == (201, "private, no-store")
    with client(service, None) as nobody:
        assert nobody.get("/v1/learngenes/hidden").status_code == 404
        assert nobody.get("/v1/learngenes/hidden/signature").json()["code"] == "learngene-not-found"
        assert "hidden" not in nobody.get("/v1/learngenes").text
    refused = push(admin, checkpoints.raw(seed=41), name="tiny", private=True)
    assert code(refused) == (422, "invalid-value")
    assert "which is public" in refused.json()["detail"]
    # Nothing comes of this one: the name is not left hidden.
    odd = checkpoints.shuffled(checkpoints.values(AVERAGED))
    assert push(train, odd, name="nothing", private=True).status_code == 422
    assert not (service.data / "store" / "private" / "nothing").exists()


def test_an_alias_of_a_learngene_that_is_there_is_set_by_admin(train: httpx.Client, admin: httpx.Client) -> None:
    push(train, checkpoints.raw(seed=50), name="named")
    push(admin, checkpoints.raw(seed=51), name="named")
    place = "/v1/learngenes/named/aliases/stable"
    assert code(train.put(place, json={"version": 1})) == (403, "forbidden")
    same = push(train, checkpoints.raw(seed=50), name="named", alias="mine")
    assert code(same) == (403, "forbidden")
    assert "the alias named@mine" in same.json()["detail"]
    made = admin.put(place, json={"version": 1})
    assert made.json() == {"alias": "named@stable", "name": "named", "version": 1, "reference": "named@1"}
    assert train.put(place, json={"version": 1}).status_code == 200
    assert code(train.put(place, json={"version": 2})) == (403, "forbidden")
    assert admin.put(place, json={"version": 2}).json()["reference"] == "named@2"
    assert train.get("/v1/learngenes/named@stable").json()["version"] == 2
    for reserved in ("7", "main", "v7", "a" * 40, "depth9-width384"):
        assert code(admin.put(f"/v1/learngenes/named/aliases/{reserved}", json={"version": 1})) == (422, "invalid-key")
    assert code(train.put(place, json={"version": 99})) == (404, "learngene-not-found")
    assert code(train.put(place, content=b'{"version": 1}')) == (415, "unsupported-media-type")
    assert code(train.put(place, json={"version": "1"})) == (422, "invalid-request")


def test_a_yanked_version_is_gone_wherever_it_would_be_built_or_sent(
    train: httpx.Client, admin: httpx.Client, service: Any
) -> None:
    push(train, checkpoints.raw(seed=60), name="taken")
    push(admin, checkpoints.raw(seed=61), name="taken")
    id = admin.post("/v1/plan", json={"learngene": "taken@2"}).json()["id"]
    size = {"learngene": "taken@2", "depth": 3}
    assert code(train.put("/v1/learngenes/taken@2/yank", json={"reason": "no"})) == (403, "forbidden")
    assert code(admin.put("/v1/learngenes/taken/yank", json={"reason": "no"})) == (422, "invalid-value")
    assert code(admin.put("/v1/learngenes/taken@2/yank", json={"reason": "two\nlines"})) == (422, "invalid-value")
    yanked = admin.put("/v1/learngenes/taken@2/yank", json={"reason": "trained on the test set"}).json()["yanked"]
    assert yanked["reason"] == "trained on the test set"
    asked: list[tuple[str, str, Any]] = [
        ("POST", "/initialize", size),
        ("POST", "/v1/plan", size),
        ("POST", "/v1/plan", {"max_params": 10**5, "learngene": "taken@2"}),
        ("GET", f"/v1/descendants/{id}", None),
        ("GET", f"/v1/descendants/{id}/model.safetensors", None),
        ("GET", f"/v1/descendants/{id}/config.json", None),
        ("GET", "/v1/learngenes/taken@2/learngene.safetensors", None),
        ("GET", "/v1/learngenes/taken@2/manifest.json", None),
        ("GET", "/v1/learngenes/taken@2/README.md", None),
    ]
    for method, path, body in asked:
        gone = train.request(method, path, json=body)
        assert code(gone) == (410, "yanked"), (method, path)
        assert gone.json()["reason"] == "trained on the test set" and gone.json()["at"] == yanked["at"]
        assert "trained on the test set; ?yanked=allow" in gone.json()["detail"]
        assert train.request(method, path, json=body, params={"yanked": "allow"}).status_code == 200, (method, path)
        assert train.request(method, path, json=body, params={"yanked": "please"}).status_code == 422, (method, path)
    # The name passes it over, lists show it.
    assert train.post("/initialize", json={"learngene": "taken"}).content == checkpoints.raw(seed=60)
    assert train.get("/v1/learngenes/taken").json()["versions"] == [
        {"version": 1, "yanked": False},
        {"version": 2, "yanked": True},
    ]
    assert train.get("/v1/learngenes/taken@2").json()["yanked"] == yanked
    # All of them: the name is gone too, but for rankings and lists, which go on.
    admin.put("/v1/learngenes/taken@1/yank", json={"reason": "as well"})
    assert code(train.post("/initialize", json={"learngene": "taken"})) == (410, "yanked")
    assert train.post("/initialize?yanked=allow", json={"learngene": "taken"}).status_code == 200
    listed = {row["name"]: row for row in train.get("/v1/learngenes").json()["learngenes"]}
    assert listed["taken"]["yanked"]["reason"] == "trained on the test set"
    assert "taken@" not in train.post("/v1/plan", json={"max_params": 10**5, "limit": 1000}).text
    # And back.
    assert admin.delete("/v1/learngenes/taken@2/yank").json()["yanked"] is None
    assert train.post("/initialize", json={"learngene": "taken"}).content == checkpoints.raw(seed=61)


def test_a_service_whose_default_was_taken_back_is_ready_and_says_so(admin: httpx.Client) -> None:
    name = admin.get("/readyz").json()["learngene"].partition("@")[0]
    versions = [row["version"] for row in admin.get(f"/v1/learngenes/{name}").json()["versions"]]
    try:
        for version in versions:
            admin.put(f"/v1/learngenes/{name}@{version}/yank", json={"reason": "a wrong label"})
        ready = admin.get("/readyz")
        assert (ready.status_code, ready.json()["yanked"]) == (200, "a wrong label")
        assert ready.json()["learngene"] == f"{name}@{versions[-1]}"
        assert code(admin.post("/initialize", json={})) == (410, "yanked")
    finally:
        for version in versions:
            admin.delete(f"/v1/learngenes/{name}@{version}/yank")
    assert "yanked" not in admin.get("/readyz").json()


def test_what_is_private_is_told_to_nobody_who_pushes(tmp_path: Path, start: Start) -> None:
    store = LocalStore(tmp_path / "store")
    factories.catalog(None, factories.learngene(), store=store)
    key = Keys(store).add("boss", "admin", at=datetime.now(UTC))
    raw, settings = checkpoints.raw(seed=90), {"LEARNGENES_ANONYMOUS": "train"}
    with start(tmp_path, settings=settings) as service, client(service, key) as boss, client(service, None) as nobody:
        for seed in (90, 91):
            made = push(boss, checkpoints.raw(seed=seed), name="secret", private=True)
            assert made.status_code == 201
        put(nobody, raw)
        for more in ({"private": True}, {}, {"alias": "best"}):
            refused = nobody.post("/v1/learngenes", json={"name": "secret", "sha256": sha256(raw)} | more)
            assert code(refused) == (401, "unauthorized")
            assert "'secret', which is taken" in refused.json()["detail"] and "@" not in refused.json()["detail"]
        told = set()
        manifest, file = factories.learngene(name="kid", seed=5)
        put(nobody, file)
        for parent in ("secret@1", "secret@3", "none@1"):
            table = json.loads(gene.to_json(manifest)) | {"parent": {"learngene": parent, "manifest": "0" * 64}}
            told.add(nobody.post("/v1/learngenes", json={"manifest": table}).json()["detail"])
        assert len(told) == 1
        # Nor is a public learngene's receipt lost to who sends it again.
        assert push(nobody, checkpoints.raw(seed=92), name="open").status_code == 201
        again = nobody.post("/v1/learngenes", json={"name": "open", "sha256": sha256(checkpoints.raw(seed=92))})
        assert (again.status_code, again.json()["reference"]) == (200, "open@1")


def test_a_signature_is_of_this_version_or_refused(
    train: httpx.Client, admin: httpx.Client, keys: Any, tmp_path: Path
) -> None:
    pytest.importorskip("model_signing")
    from cases.signatures import new_key

    made = push(train, checkpoints.raw(seed=70), name="signed").json()
    place = "/v1/learngenes/signed@1/signature"
    assert code(train.get(place)) == (404, "not-signed")
    for name in ("learngene.safetensors", "manifest.json"):
        (tmp_path / name).write_bytes(train.get(f"/v1/learngenes/signed@1/{name}").content)
    private, _ = new_key(tmp_path)
    raw = signing.sign(tmp_path, key=private)
    headers = {"content-type": "application/json"}
    kept = train.put(place, content=raw, headers=headers)
    assert kept.json() == {"reference": "signed@1", "bytes": len(raw)}
    got = train.get(place)
    assert (got.content, got.headers["content-type"]) == (raw, "application/json")
    assert got.headers["etag"] == f'"{hashlib.sha256(raw).hexdigest()}"'
    assert train.get(place, headers={"if-none-match": got.headers["etag"]}).status_code == 304
    assert code(train.put("/v1/learngenes/tiny@1/signature", content=raw, headers=headers)) == (422, "bad-signature")
    assert code(train.put(place, content=b"{}", headers=headers)) == (422, "bad-signature")
    assert made["reference"] == "signed@1"
    # Whoever may push may not put another in its place.
    again = signing.sign(tmp_path, key=private)
    assert train.put(place, content=raw, headers=headers).status_code == 200
    assert code(train.put(place, content=again, headers=headers)) == (403, "forbidden")
    assert train.get(place).content == raw
    assert admin.put(place, content=again, headers=headers).status_code == 200
    assert train.get(place).content == again

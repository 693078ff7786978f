"""One file over plain HTTP: what clients rely on without saying so."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import httpx
import pytest
from e2e.hub.tiny import (
    ONE,
    PLACES,
    address,
    commit_of,
    kept,
    tree_of,
)
from learngenes_service.hub.commits import git_oid, lfs_pointer

from learngenes.store.local import LocalStore


@pytest.mark.parametrize(("repo", "revision"), PLACES)
def test_the_api_and_every_file_name_the_same_commit(hub: httpx.Client, repo: str, revision: str) -> None:
    sha = hub.get(f"/api/models/{repo}/revision/{revision}").json()["sha"]
    assert re.fullmatch("[0-9a-f]{40}", sha)
    for name in tree_of(hub, repo, revision):
        for pinned in (revision, sha):
            for method in ("HEAD", "GET"):
                assert hub.request(method, address(repo, pinned, name)).headers["x-repo-commit"] == sha
    assert hub.get(f"/api/models/{repo}/revision/{sha}").json()["sha"] == sha
    assert hub.get(f"/api/models/{repo}/tree/{sha}").headers["x-repo-commit"] == sha


@pytest.mark.parametrize(("repo", "revision"), PLACES)
def test_length_and_digest_are_what_was_promised(hub: httpx.Client, repo: str, revision: str) -> None:
    tree = tree_of(hub, repo, revision)
    assert {"config.json", "README.md", "recipe.json", "model.safetensors"} <= tree.keys()
    assert ("preprocessor_config.json" in tree) == repo.endswith("-hf")
    for name, entry in tree.items():
        head, whole = hub.head(address(repo, revision, name)), hub.get(address(repo, revision, name))
        assert int(head.headers["content-length"]) == len(whole.content) == entry["size"] > 0
        etag = head.headers["etag"].strip('"')
        assert etag == whole.headers["etag"].strip('"')
        if name == "model.safetensors":
            sha256 = hashlib.sha256(whole.content).hexdigest()
            assert etag == entry["lfs"]["oid"] == sha256
            assert head.headers["x-linked-etag"] == f'"{sha256}"'
            assert head.headers["x-linked-size"] == str(len(whole.content))
            pointer = lfs_pointer(sha256, len(whole.content))
            assert (entry["oid"], entry["lfs"]["pointerSize"]) == (git_oid(pointer), len(pointer))
        else:
            assert etag == entry["oid"] == git_oid(whole.content)
        assert not [header for header in head.headers if "xet" in header]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_every_kind_of_answer_carries_commit_and_etag(hub: httpx.Client, name: str) -> None:
    tree_of(hub, ONE)  # waits for the digest of the weights
    whole = hub.get(address(ONE, name=name))
    known = {"x-repo-commit": whole.headers["x-repo-commit"], "etag": whole.headers["etag"]}
    size = len(whole.content)
    part = hub.get(address(ONE, name=name), headers={"range": "bytes=5-16"})
    same = hub.head(address(ONE, name=name), headers={"if-none-match": known["etag"]})
    behind = hub.get(address(ONE, name=name), headers={"range": f"bytes={size}-"})
    assert (part.status_code, part.content) == (206, whole.content[5:17])
    assert part.headers["content-range"] == f"bytes 5-16/{size}"
    assert (same.status_code, behind.status_code) == (304, 416)
    assert (behind.headers["content-range"], behind.headers["x-error-code"]) == (
        f"bytes */{size}",
        "RangeNotSatisfiable",
    )
    for answer in (part, same, behind):
        assert {header: answer.headers[header] for header in known} == known


def test_weights_are_resumed_under_the_etag_of_before_their_digest_was_known(hub: httpx.Client) -> None:
    whole = hub.get(address(ONE))
    recipe = hub.get(address(ONE, name="recipe.json")).content
    short = f'"{hashlib.sha256(recipe).hexdigest()[:40]}"'
    rest = hub.get(address(ONE), headers={"range": "bytes=100-", "if-range": short})
    assert (rest.status_code, rest.content) == (206, whole.content[100:])
    assert hub.head(address(ONE), headers={"if-none-match": short}).status_code == 304
    assert hub.get(address(ONE), headers={"range": "bytes=100-", "if-range": '"other"'}).content == whole.content


def test_only_sizes_that_nobody_measured_come_with_a_warning(hub: httpx.Client) -> None:
    assert "x-hf-warning" not in hub.head(address(ONE)).headers
    assert hub.head(address("tiny/depth3-width32")).headers["x-hf-warning"].endswith("was not measured")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_range_behind_the_end_is_kept_by_nobody(hub: httpx.Client, name: str) -> None:
    pinned = address(ONE, commit_of(hub, ONE), name)
    assert "immutable" in hub.head(pinned).headers["cache-control"]
    answer = hub.get(pinned, headers={"range": "bytes=9000000-"})
    assert (answer.status_code, answer.headers["cache-control"]) == (416, "no-store")
    assert answer.headers["content-type"] == "application/json"
    assert "content-disposition" not in answer.headers
    assert answer.json()["error"].startswith("the range starts behind the end")


def test_who_only_looks_leaves_nothing_in_the_store(hub: httpx.Client, data: Path) -> None:
    before = kept(data, "recipes")
    for depth in range(21, 25):
        repo = f"tiny/depth{depth}-width16"
        for name in ("config.json", "README.md", "recipe.json"):
            assert hub.get(address(repo, name=name)).status_code == 200
        assert hub.head(address(repo)).status_code == 200
        hub.get(f"/api/models/{repo}")
        hub.get(f"/api/models/{repo}/tree/main")
        hub.get(f"/api/models/{repo}/refs")
    assert kept(data, "recipes") == before
    # Whoever has the weights may come back by the descendant's id, after a restart too.
    recipe = hub.get(address("tiny/depth21-width16", name="recipe.json")).content
    whole = hub.get(address("tiny/depth21-width16")).content
    assert kept(data, "recipes") == before + 1
    id = hashlib.sha256(recipe).hexdigest()
    assert LocalStore(data / "store").read(f"recipes/{id}")
    assert hub.get(f"/v1/descendants/{id}/model.safetensors").content == whole

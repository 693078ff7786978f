"""What the API says of a repository and its files."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
import yaml
from e2e.hub.tiny import (
    NATIVE,
    ONE,
    address,
    commit_of,
    kept,
    tree_of,
)


def test_facts_and_tags_are_those_of_the_card_that_is_served(hub: httpx.Client) -> None:
    card = hub.get(address(ONE, name="README.md")).text
    front = yaml.safe_load(card.split("---\n")[1])
    info = hub.get(f"/api/models/{ONE}").json()
    assert info["cardData"] == front
    assert {*front["tags"], f"license:{front['license']}"} <= set(info["tags"])
    assert (info["library_name"], info["pipeline_tag"]) == ("timm", "image-classification")
    assert info["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.5
    assert hub.get(f"/api/models/{NATIVE}").json()["library_name"] == "transformers"
    # hub 0.23 fails without any of these.
    needed = ("_id", "id", "modelId", "author", "sha", "lastModified", "createdAt", "private", "gated", "disabled")
    assert {*needed, "downloads", "likes", "tags", "siblings", "spaces", "config", "safetensors"} <= info.keys()
    weights = tree_of(hub, ONE)["model.safetensors"]["size"]
    assert 0 < weights - 4 * info["safetensors"]["parameters"]["F32"] < 20_000


def test_a_client_may_ask_for_parts_of_the_facts_and_for_whatever_it_likes(hub: httpx.Client) -> None:
    some = hub.get(f"/api/models/{ONE}?expand=sha&expand=tags&expand=whatever&what=ever").json()
    assert some.keys() == {"_id", "id", "sha", "tags"}
    siblings = {row["rfilename"]: row for row in hub.get(f"/api/models/{ONE}?blobs=true").json()["siblings"]}
    tree = tree_of(hub, ONE)
    assert siblings["model.safetensors"]["lfs"]["sha256"] == tree["model.safetensors"]["lfs"]["oid"]
    assert siblings["config.json"]["blobId"] == tree["config.json"]["oid"]
    last = hub.get(f"/api/models/{ONE}/tree/main?expand=true").json()[0]["lastCommit"]
    assert last["id"] == commit_of(hub, ONE)


@pytest.mark.parametrize("form", [True, False])
def test_paths_are_asked_for_as_a_form_or_as_json(hub: httpx.Client, form: bool) -> None:
    asked = {"paths": ["config.json", "model.safetensors", "nothing.bin"], "expand": "True" if form else True}
    answer = hub.post(f"/api/models/{ONE}/paths-info/main", **{"data" if form else "json": asked})  # type: ignore[arg-type]
    rows = {row["path"]: row for row in answer.json()}
    assert rows.keys() == {"config.json", "model.safetensors"}
    assert rows["config.json"]["lastCommit"]["id"] == commit_of(hub, ONE)
    broken = hub.post(f"/api/models/{ONE}/paths-info/main", content=b"[", headers={"content-type": "application/json"})
    assert (broken.status_code, broken.headers["x-error-code"]) == (400, "BadRequest")


def test_metrics_know_routes_and_no_repositories(hub: httpx.Client) -> None:
    hub.head(address(ONE))
    hub.get(f"/api/models/{ONE}")
    routes = set(re.findall(r'learngenes_requests_total\{[^}]*route="([^"]*)"', hub.get("/metrics").text))
    assert {"/{repo}/resolve/{revision}/{path}", "/api/models/{repo}"} <= routes
    assert not [route for route in routes if "tiny" in route]


def test_the_headers_of_a_tree_cost_no_digest(hub: httpx.Client, data: Path) -> None:
    repo, before = "tiny/depth31-width16", kept(data, "digests")
    for path in (f"/api/models/{repo}/tree/main", f"/api/models/{repo}?blobs=true"):
        answer = hub.head(path)
        assert (answer.status_code, answer.headers["x-repo-commit"]) == (200, commit_of(hub, repo))
    assert kept(data, "digests") == before
    hub.get(f"/api/models/{repo}/tree/main")
    assert kept(data, "digests") == before + 1

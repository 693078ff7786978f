"""Commits, tags and aliases: what a revision names, for how long."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from e2e.hub.tiny import (
    ALL,
    NATIVE,
    ONE,
    PLACES,
    READ_LIKE_OTHERS,
    Start,
    address,
    commit_of,
    fill,
)
from e2e.test_fitted import SIZE, fit


def test_a_replica_that_starts_with_nothing_has_the_same_commits_and_bytes(
    hub: httpx.Client, start: Start, tmp_path: Path
) -> None:
    fill(tmp_path)
    asked = [(repo, commit_of(hub, repo, revision)) for repo, revision in PLACES]
    with start(tmp_path) as other:
        # The very first request here names nothing but a commit.
        for repo, commit in asked:
            there = httpx.head(other.url + address(repo, commit))
            assert there.status_code == 200
            for url in (other.url, str(hub.base_url)):  # waits for the digest of the weights
                httpx.get(f"{url}/api/models/{repo}/tree/{commit}")
            there = httpx.head(other.url + address(repo, commit))
            assert there.headers["etag"] == hub.head(address(repo, commit)).headers["etag"]
            assert httpx.get(other.url + address(repo, commit)).content == hub.get(address(repo, commit)).content
        assert [(repo, commit_of(hub, repo, revision)) for repo, revision in PLACES] == asked


def test_one_size_has_other_commits_in_the_repository_of_all_sizes(hub: httpx.Client) -> None:
    commits = {commit_of(hub, ONE), commit_of(hub, ONE, "v1"), commit_of(hub, NATIVE), commit_of(hub, ALL)}
    assert len(commits) == 4
    assert commit_of(hub, ALL) == commit_of(hub, ALL, "depth6-width32") == commit_of(hub, ALL, "v2")


def test_a_commit_of_other_files_is_gone(hub: httpx.Client) -> None:
    commit = commit_of(hub, ONE)
    other = ("0" if commit[0] != "0" else "1") + commit[1:]
    for path in (address(ONE, other), f"/api/models/{ONE}/revision/{other}", f"/api/models/{ONE}/tree/{other}"):
        answer = hub.get(path)
        assert (answer.status_code, answer.headers["x-error-code"]) == (404, "RevisionNotFound")
        assert commit in answer.headers["x-error-message"]


def test_a_size_that_was_fitted_anew_is_another_commit_and_the_old_one_is_gone(start: Start, tmp_path: Path) -> None:
    catalog = fill(tmp_path)
    repo = f"wave/depth{SIZE.depth}-width{SIZE.width}"
    with start(tmp_path, default="wave") as service, httpx.Client(base_url=service.url, timeout=60) as hub:
        unfitted = hub.head(address(repo))
        assert (unfitted.status_code, unfitted.headers["x-error-code"]) == (401, "RepoNotFound")
        assert "depth4-width16" in unfitted.headers["x-error-message"]
        assert hub.head(address("wave/wave", repo[5:])).headers["x-error-code"] == "RevisionNotFound"
        fit(catalog, catalog.get("wave"), SIZE)
        first = hub.head(address(repo))
        assert first.status_code == 200
        fit(catalog, catalog.get("wave"), SIZE, seed=1)
        again = hub.head(address(repo))
        assert again.headers["x-repo-commit"] != first.headers["x-repo-commit"]
        assert hub.head(address(repo, first.headers["x-repo-commit"])).headers["x-error-code"] == "RevisionNotFound"
        assert repo in {row["id"] for row in hub.get("/api/models?author=wave").json()}


def test_refs_and_commits_are_the_versions(hub: httpx.Client) -> None:
    refs = hub.get(f"/api/models/{ONE}/refs?include_prs=1").json()
    assert refs.keys() == {"branches", "tags", "converts", "pullRequests"}
    tags = {row["name"]: row["targetCommit"] for row in refs["tags"]}
    assert tags["first"] == tags["v1"] == commit_of(hub, ONE, "v1")
    assert tags["v2"] == commit_of(hub, ONE)
    assert refs["branches"][0]["targetCommit"] == tags["v2"]
    sizes = {row["name"]: row["targetCommit"] for row in hub.get(f"/api/models/{ALL}/refs").json()["tags"]}
    for name in ("depth6-width32", "v2"):
        assert sizes[name] == commit_of(hub, ALL, name)
    log = hub.get(f"/api/models/{ONE}/commits/main").json()
    assert [row["id"] for row in log] == [tags["v2"], tags["v1"]]
    # The first version did not have this width.
    assert len(hub.get("/api/models/tiny/depth6-width16/commits/main").json()) == 1


def test_a_version_that_was_taken_back_is_gone_with_the_reason(hub: httpx.Client, start: Start, tmp_path: Path) -> None:
    pinned = commit_of(hub, ONE)
    catalog = fill(tmp_path)
    catalog.yank("tiny@2", "labels were shifted")
    catalog.yank("wave@1", "so were these")
    with start(tmp_path) as service, httpx.Client(base_url=service.url, timeout=60) as here:
        assert commit_of(here, ONE) == commit_of(here, ONE, "v1")
        for revision in ("v2", pinned):
            answer = here.head(address(ONE, revision))
            assert (answer.status_code, answer.headers["x-error-code"]) == (404, "RevisionNotFound")
            assert "labels were shifted" in answer.headers["x-error-message"]
        assert "v2" not in {row["name"] for row in here.get(f"/api/models/{ONE}/refs").json()["tags"]}
        answer = here.head(address("wave/wave"))
        assert (answer.status_code, answer.headers["x-error-code"]) == (401, "RepoNotFound")
        assert "so were these" in answer.headers["x-error-message"]
        assert here.get("/api/models?author=wave").json() == []


@pytest.mark.parametrize("repo", [ONE, ALL])
def test_every_tag_that_is_told_of_names_what_it_says(hub: httpx.Client, repo: str) -> None:
    tags = {row["name"]: row["targetCommit"] for row in hub.get(f"/api/models/{repo}/refs").json()["tags"]}
    assert {name: commit_of(hub, repo, name) for name in tags} == tags
    # Aliases that read like something else are passed over, where they do.
    assert tags.keys() & READ_LIKE_OTHERS.keys() == ({"v2", "d3-w32"} if repo == ONE else {"v2"})
    assert "first" in tags


def test_main_is_the_nearest_size_that_can_be_had_wherever_it_is_told_of(hub: httpx.Client) -> None:
    there = commit_of(hub, "stored/stored")
    assert hub.get("/api/models/stored/stored").json()["config"]["architecture"]
    assert hub.get("/stored/stored").headers["location"] == "/?learngene=stored&depth=2&width=32"
    refs = hub.get("/api/models/stored/stored/refs").json()
    tags = {row["name"]: row["targetCommit"] for row in refs["tags"]}
    assert (refs["branches"][0]["targetCommit"], tags["v1"], tags["depth2-width32"]) == (there,) * 3
    listed = {row["id"]: row["sha"] for row in hub.get("/api/models?author=stored").json()}
    assert listed["stored/stored"] == there
    assert "stored/depth2-width32" in listed

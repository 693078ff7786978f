"""Who asks: tokens of other hubs, keys of this service, and what is private."""

from __future__ import annotations

from pathlib import Path

import httpx
from e2e.hub.tiny import (
    ALL,
    HIDDEN,
    HUB_TOKEN,
    ONE,
    SECRETS,
    Start,
    address,
    commit_of,
)
from e2e.test_fitted import SIZE


def test_a_token_of_another_hub_is_nobodys_and_stays_out_of_the_log(hub: httpx.Client, log: Path, key: str) -> None:
    for token in (HUB_TOKEN, "lgz_" + "x" * 43, "nonsense"):
        given = {"authorization": f"Bearer {token}"}
        assert hub.head(address(ONE), headers=given).status_code == 200
        assert hub.get(f"/api/models/{ONE}", headers=given).status_code == 200
    assert hub.get("/api/whoami-v2", headers={"authorization": f"Bearer {key}"}).json()["name"] == "reader"
    said = log.read_text()
    assert "resolve" in said
    assert HUB_TOKEN not in said
    assert key not in said
    # Elsewhere an unknown key is refused, as ever.
    assert hub.get("/v1/learngenes", headers={"authorization": f"Bearer {HUB_TOKEN}"}).status_code == 401


def test_what_is_private_is_there_for_who_has_a_key_of_this_service(hub: httpx.Client, key: str) -> None:
    given = {"authorization": f"Bearer {key}"}
    secret = hub.head(address("zz-secret/depth6-width32"), headers=given)
    assert (secret.status_code, secret.headers["cache-control"]) == (200, "private, no-cache")
    assert hub.get("/api/models/zz-secret/zz-secret", headers=given).json()["private"] is True
    commit = secret.headers["x-repo-commit"]
    assert hub.head(address("zz-secret/depth6-width32", commit)).headers["x-error-code"] == "RepoNotFound"
    told = [{row["author"] for row in hub.get("/api/models", headers=one).json()} for one in ({}, given)]
    public = {"tiny", "stored", "wave"}
    assert told == [public, public | SECRETS]
    private = {row["author"]: row["private"] for row in hub.get("/api/models", headers=given).json()}
    assert private == {name: name in SECRETS for name in public | SECRETS}


def test_a_closed_hub_has_no_repositories_for_who_has_no_key(data: Path, key: str, start: Start) -> None:
    closed = {"LEARNGENES_ANONYMOUS": "none", "LEARNGENES_RATE": "7/hour"}
    with start(data, settings=closed) as service, httpx.Client(base_url=service.url, timeout=60) as hub:
        for path in (address(ONE), "/api/models", f"/api/models/{ONE}"):
            answer = hub.get(path)
            assert (answer.status_code, answer.headers["x-error-code"]) == (401, "RepoNotFound")
        # What tells of no repository answers as ever.
        assert hub.get("/api/whoami-v2").headers["x-error-code"] == "Unauthorized"
        assert hub.get("/api/agent-harnesses").status_code == 200
        assert hub.put(address(ONE)).headers["x-error-message"] == "This hub is read-only"
        given = {"authorization": f"Bearer {key}"}
        assert hub.head(address(ONE), headers=given).status_code == 200
        hub.get(address(ONE))
        often = hub.get(address(ONE))
        assert (often.status_code, often.headers["x-error-code"]) == (429, "TooManyRequests")
        assert int(often.headers["retry-after"]) > 0
        assert "7 requests" in often.headers["x-error-message"]


def test_what_completes_a_private_learngene_is_missing_like_what_never_was(hub: httpx.Client, key: str) -> None:
    for revision in ("main", "v1", "v9", "best", "0" * 25 + "000001006000016"):
        for name in (HIDDEN, "zz-wave", "nobody"):
            paths = [f"/{name}/{name}/resolve/{revision}/config.json", f"/api/models/{name}/{name}/tree/{revision}"]
            for path in paths:
                answer = hub.get(path)
                assert (answer.status_code, answer.headers["x-error-code"]) == (401, "RepoNotFound")
                assert "v1" not in answer.headers["x-error-message"].replace("@1", "").replace(revision, "")
        assert hub.get(f"/api/models/{name}/{name}/refs").headers["x-error-code"] == "RepoNotFound"
    given = {"authorization": f"Bearer {key}"}
    repo = f"zz-wave/depth{SIZE.depth}-width{SIZE.width}"
    answer = hub.get(address(repo, name="config.json"), headers=given)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-cache")


def test_answers_that_move_are_asked_for_again_and_differ_by_caller(hub: httpx.Client, key: str) -> None:
    given = {"authorization": f"Bearer {key}"}
    commit = commit_of(hub, ONE)
    moving = ["/api/models", *(f"/api/models/{ONE}{end}" for end in ("", "/tree/main", "/refs", "/commits/main"))]
    for path in moving:
        answer = hub.get(path)
        assert (answer.headers["cache-control"], answer.headers["vary"]) == ("no-cache", "authorization")
        assert "public" not in hub.get(path, headers=given).headers["cache-control"]
    # They tell of what is fitted and private too.
    for path in ("/api/models", f"/api/models/{ALL}/refs", f"/api/models/{ONE}/commits/main"):
        assert hub.get(path, headers=given).headers["cache-control"] == "private, no-cache"
    for path in (f"/api/models/{ONE}/revision/{commit}", f"/api/models/{ONE}/tree/{commit}"):
        assert "immutable" in hub.get(path).headers["cache-control"]

"""Every no of the hub: clients branch on a header and show another."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from e2e.hub.tiny import (
    HUB_TOKEN,
    STARTER,
    Start,
)

from learngenes.store.local import LocalStore


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("/tiny/depth6-width33/resolve/main/config.json", "RepoNotFound", "tiny/depth6-width32"),
        ("/tiny/depth600-width32/resolve/main/config.json", "RepoNotFound", "tiny/depth512-width32"),
        ("/tiny/depth6-width32-heads3/resolve/main/config.json", "RepoNotFound", "2 heads"),
        ("/tiny/other/resolve/main/config.json", "RepoNotFound", "tiny/depth<D>-width<W>"),
        ("/tinny/depth6-width32/resolve/main/config.json", "RepoNotFound", "did you mean 'tiny'"),
        ("/TINY/depth6-width32/resolve/main/config.json", "RepoNotFound", "lower-case"),
        ("/zz-secret/depth6-width32/resolve/main/config.json", "RepoNotFound", "no learngene"),
        ("/api/models/zz-secret/zz-secret", "RepoNotFound", "no learngene"),
        ("/api/models/tiny/depth6-width33/tree/main", "RepoNotFound", "tiny/depth6-width32"),
        ("/api/datasets/tiny/tiny", "RepoNotFound", "models"),
        ("/datasets/tiny/tiny/resolve/main/a.parquet", "RepoNotFound", "models"),
        ("/spaces/tiny/tiny/resolve/main/app.py", "RepoNotFound", "models"),
        ("/tiny/tiny/resolve/depth6-width33/config.json", "RevisionNotFound", "depth6-width32"),
        ("/tiny/depth6-width32/resolve/v9/config.json", "RevisionNotFound", "v1, v2"),
        ("/tiny/depth6-width16/resolve/v1/config.json", "RevisionNotFound", "depth6-width32"),
        ("/tiny/depth6-width32/resolve/nothing/config.json", "RevisionNotFound", "nothing"),
        ("/tiny/depth6-width32/resolve/refs%2Fpr%2F1/config.json", "RevisionNotFound", "refs/pr/1"),
        ("/api/models/tiny/tiny/revision/refs%2Fpr%2F1", "RevisionNotFound", "refs/pr/1"),
        ("/tiny/depth6-width32/resolve/main/tf_model.h5", "EntryNotFound", "tf_model.h5"),
        ("/tiny/depth6-width32/resolve/main/sub/config.json", "EntryNotFound", "sub/config.json"),
        ("/tiny/depth6-width32/resolve/main/%FF%0A", "EntryNotFound", "no file"),
        ("/api/models/tiny/tiny/tree/main/sub?recursive=true", "EntryNotFound", "sub"),
        ("/api/whoami-v2", "Unauthorized", "key"),
        ("/api/models/tiny/tiny/xet-read-token/main", "NotFound", "nothing"),
        ("/api/whatever-comes-next?x=1", "NotFound", "nothing"),
        ("/tiny/tiny.git/info/refs?service=git-upload-pack", "NotFound", "nothing"),
    ],
)
def test_every_refusal_says_which_and_why(hub: httpx.Client, path: str, code: str, said: str) -> None:
    answers = [hub.get(path), hub.head(path), hub.get(path, headers={"authorization": f"Bearer {HUB_TOKEN}"})]
    expected = {"RepoNotFound": [401, 401, 404], "Unauthorized": [401] * 3}.get(code, [404] * 3)
    assert [answer.status_code for answer in answers] == expected
    for answer in answers:
        assert answer.headers["x-error-code"] == code
        assert said in answer.headers["x-error-message"]
        assert answer.headers["cache-control"] == "no-store"
    assert answers[0].json()["error"]
    if code == "EntryNotFound":  # clients remember what a commit does not have
        assert all(answer.headers["x-repo-commit"] for answer in answers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/repos/create"),
        ("DELETE", "/api/repos/delete"),
        ("POST", "/api/models/tiny/tiny/preupload/main"),
        ("POST", "/api/models/tiny/tiny/commit/main"),
        ("PUT", "/api/models/tiny/tiny/settings"),
        ("POST", "/tiny/tiny.git/info/lfs/objects/batch"),
        ("PUT", "/tiny/tiny/resolve/main/config.json"),
        ("POST", "/api/validate-yaml"),
    ],
)
def test_whoever_comes_to_write_is_told_that_nobody_can(hub: httpx.Client, method: str, path: str) -> None:
    answer = hub.request(method, path, json={}, headers={"authorization": f"Bearer {HUB_TOKEN}"})
    assert (answer.status_code, answer.headers["x-error-message"]) == (403, "This hub is read-only")


@pytest.mark.parametrize("escaped", ["%00", "%01", "%1f", "%7f", "%0d%0ax-more:%201", "%E2%82%AC"])
@pytest.mark.parametrize(
    "path",
    [
        "/{}/tiny/resolve/main/config.json",
        "/tiny/{}/resolve/main/config.json",
        "/tiny/tiny/resolve/{}/config.json",
        "/tiny/tiny/resolve/main/{}",
        "/api/models/{}/{}",
        "/api/models/tiny/tiny/revision/{}",
        "/api/models/tiny/tiny/tree/main/{}",
        "/api/{}",
    ],
)
def test_whatever_is_in_a_name_the_answer_is_a_refusal(hub: httpx.Client, path: str, escaped: str) -> None:
    answer = hub.get(path.format(*[f"a{escaped}b"] * 2))
    assert answer.status_code in (401, 404)
    assert answer.headers["x-error-code"].endswith("NotFound")
    assert re.fullmatch(r"[\x20-\x7e]+", answer.headers["x-error-message"])
    assert "x-more" not in answer.headers


def test_what_goes_wrong_elsewhere_is_told_in_headers_too(start: Start, tmp_path: Path) -> None:
    LocalStore(tmp_path / "store").create("learngenes/broken/1.json", [b"{}"])
    with (
        start(tmp_path, default=STARTER, settings={"LEARNGENES_BODY_BYTES": "2000"}) as service,
        httpx.Client(base_url=service.url, timeout=60) as hub,
    ):
        broken = hub.get("/api/models/broken/broken")
        assert (broken.status_code, broken.headers["x-error-code"]) == (500, "Internal")
        assert "log" in broken.headers["x-error-message"]
        path = f"/api/models/{STARTER}/depth3-width128/paths-info/main"
        declared = hub.post(path, content=b" " * 3000)
        streamed = hub.post(path, content=iter([b" " * 1500] * 2))
        for answer in (declared, streamed):
            assert (answer.status_code, answer.headers["x-error-code"]) == (413, "TooLarge")
            assert "2000" in answer.headers["x-error-message"] or answer is streamed
        assert hub.get("/api/models?author=broken").json() == []

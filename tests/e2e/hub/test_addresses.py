"""Other spellings of an address, and people who follow one."""

from __future__ import annotations

import httpx
import pytest
from e2e.hub.tiny import (
    ALL,
    NATIVE,
    ONE,
    address,
)


@pytest.mark.parametrize("spelled", ["d6-w32", "d6.w32", "6x32", "depth06-width32", "depth6-width32-heads2"])
def test_another_spelling_leads_to_the_canonical_repository(hub: httpx.Client, spelled: str) -> None:
    there = hub.head(address(ONE, "v2"))
    here = hub.head(f"/tiny/{spelled}/resolve/v2/model.safetensors?download=true")
    assert (here.status_code, here.headers["location"]) == (307, f"{address(ONE, 'v2')}?download=true")
    for name in ("x-repo-commit", "etag", "x-linked-etag", "x-linked-size"):
        assert here.headers[name] == there.headers[name]
    api = hub.get(f"/api/models/tiny/{spelled}/tree/v2?recursive=true")
    assert (api.status_code, api.headers["location"]) == (307, f"/api/models/{ONE}/tree/v2?recursive=true")
    assert hub.get(f"/tiny/{spelled}/raw/main/config.json").headers["location"] == f"/{ONE}/raw/main/config.json"


def test_a_bare_name_leads_to_the_repository_of_all_sizes(hub: httpx.Client) -> None:
    assert hub.get("/tiny/resolve/main/config.json").headers["location"] == f"/{ALL}/resolve/main/config.json"
    assert hub.get("/api/models/tiny").headers["location"] == f"/api/models/{ALL}"
    assert hub.get("/v1/resolve/main/config.json").headers["content-type"] == "application/problem+json"


def test_a_person_who_follows_a_name_gets_to_the_page(hub: httpx.Client) -> None:
    for path in (f"/{ONE}", f"/{NATIVE}", "/tiny/d6-w32", f"/{ONE}/tree/main", f"/{ONE}/blob/main/README.md"):
        answer = hub.get(path)
        assert (answer.status_code, answer.headers["location"]) == (302, "/?learngene=tiny&depth=6&width=32")
    assert hub.get(f"/{ONE}", follow_redirects=True).headers["content-type"].startswith("text/html")
    assert hub.get("/tiny/depth6-width33").headers["x-error-code"] == "RepoNotFound"
    assert hub.get("/tiny/other").headers["content-type"] == "application/problem+json"
